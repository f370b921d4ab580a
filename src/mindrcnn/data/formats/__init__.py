"""Data formats, one file or folder each; `format.py` has their protocol."""
