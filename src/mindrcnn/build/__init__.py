"""Configuration to objects: the only package, besides the programs, in which the two meet."""
