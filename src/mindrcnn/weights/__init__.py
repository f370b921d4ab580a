"""Weight files: download, reading, writing, and the names of layers in other libraries."""
