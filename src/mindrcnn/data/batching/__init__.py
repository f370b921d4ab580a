"""Batches of padded images, and the loaders that make them."""
