"""Random and fixed transformations of an image and its objects."""
