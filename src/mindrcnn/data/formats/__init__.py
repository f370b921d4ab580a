"""Readers of annotation files, one format each."""
