"""Data formats, one file or folder each, behind the protocol in `format.py`."""
