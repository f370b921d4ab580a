"""Registers the backbone "few_layers" in a process that names this module in MINDRCNN_EXTENSIONS."""

from few_layers import register

register()
