"""COCO JSON (https://cocodataset.org/#format-data)."""
