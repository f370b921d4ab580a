"""Exported models, opened without MindSpore wherever their format allows."""
