"""Tools that make data sets or cut them in parts."""
