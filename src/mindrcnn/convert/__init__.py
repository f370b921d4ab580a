"""Weights of other libraries as checkpoints of ours, and back: `python -m mindrcnn.convert`."""
