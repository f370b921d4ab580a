"""What the four top-level programs do after they have parsed their command line."""
