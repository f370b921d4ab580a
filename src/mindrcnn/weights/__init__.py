"""Files of weights: download, read and write them, and what the layers of other libraries are called."""
