"""Made-up COCO data sets."""

from made_up_coco import content, write_coco

__all__ = ["content", "write_coco"]
