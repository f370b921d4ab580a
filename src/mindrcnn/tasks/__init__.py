"""Training, evaluation, inference and export: from a configuration or checkpoint to files."""
