"""Suppression and merging of detections on the host, and the views of an image that are merged."""
