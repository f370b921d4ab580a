"""Names of parameters, one module per library."""
