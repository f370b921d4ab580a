"""Records and prediction results."""

from made_up_results import image_result, make_record

__all__ = ["image_result", "make_record"]
