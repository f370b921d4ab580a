"""Sources of images for inference: one module for each kind of word that names some."""
