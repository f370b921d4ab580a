"""Metrics, curves, logs and sinks of a run."""
