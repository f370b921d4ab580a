"""Examination of a training run: rules over its metrics, its evaluation and its data, each with its evidence."""
