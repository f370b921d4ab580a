"""Tools that make data sets or split them."""
