"""Training of this package beside torchvision's, from the same start: `python -m benchmarks.training_beside`."""
