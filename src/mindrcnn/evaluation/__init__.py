"""Evaluation of detections: masks in the image, result files and COCO metrics."""
