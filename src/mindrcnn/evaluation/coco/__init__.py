"""COCO evaluation: ground truth, results, metrics and their tables."""
