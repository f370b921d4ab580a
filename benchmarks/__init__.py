"""Times this package, and torchvision beside it: `python -m benchmarks`."""
