"""MindRCNN: two-stage detection and instance segmentation in MindSpore."""

from mindrcnn.cpu_setup import prepare_environment

__version__ = "0.1.0"

prepare_environment()
