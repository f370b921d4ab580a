"""Timings of this package and of torchvision: `python -m benchmarks`."""
