"""Finds out what in a data set would stop a training or hurt it (`python -m mindrcnn.doctor`)."""
