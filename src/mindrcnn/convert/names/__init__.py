"""Names of parameters in each library."""
