"""The kinds of results by the names that --save takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mindrcnn.errors import InputError
from mindrcnn.tasks.results.coco_dataset import CocoDataset
from mindrcnn.tasks.results.coco_results import CocoResults
from mindrcnn.tasks.results.crops import Crops
from mindrcnn.tasks.results.labelme import Labelme
from mindrcnn.tasks.results.masks import Masks
from mindrcnn.tasks.results.pictures import FramePictures, Pictures
from mindrcnn.tasks.results.predictions import Predictions
from mindrcnn.tasks.results.result import Plan, Result
from mindrcnn.tasks.results.tables import CountTable, ObjectTable

KINDS: Mapping[str, Callable[[Plan], Result]] = {
    "pictures": Pictures,
    "json": Predictions,
    "coco": CocoResults,
    "coco-dataset": CocoDataset,
    "labelme": Labelme,
    "masks": Masks,
    "crops": Crops,
    "frames": FramePictures,
    "csv": ObjectTable,
    "counts": CountTable,
}
JSONL, NONE = "jsonl", "none"  # the record of a run, which is made from more than a plan; and nothing at all
NAMES = (*KINDS, JSONL, NONE)
DEFAULT = ("pictures", "json")


def check_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names, each once. Raises InputError for an unknown one, and for `none` beside others."""
    for name in names:
        if name not in NAMES:
            raise InputError(f"--save: wanted any of {', '.join(NAMES)}, separated by commas, got {name!r}")
    different = tuple(dict.fromkeys(names))
    if NONE in different and len(different) > 1:
        raise InputError(f"--save: wanted none alone, got {', '.join(different)}")
    return () if different == (NONE,) else different
