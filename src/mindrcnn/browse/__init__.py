"""A page of a data set's images, as annotated and as the network gets them."""
