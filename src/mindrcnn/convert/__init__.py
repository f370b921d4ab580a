"""Conversion between the weights of other libraries and MindRCNN's checkpoints."""
