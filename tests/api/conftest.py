"""Records and prediction results."""

from made_up_results import found, make_record

__all__ = ["found", "make_record"]
