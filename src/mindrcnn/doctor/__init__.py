"""A check of a data set before training: mistakes at which it would fail, and what would impair it."""
