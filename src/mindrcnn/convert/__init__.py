"""Weights of other libraries as checkpoints of ours, and back: `mindrcnn convert`."""
