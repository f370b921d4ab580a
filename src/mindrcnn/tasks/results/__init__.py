"""Results of inference: one module for each kind of file."""
