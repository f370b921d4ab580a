"""Predictions in the form of the MindSpore model zoo's Mask Scoring R-CNN, for programs that read its JSON.

    {PATH: {"height", "width", "predictions": [{"bbox", "class", "score", "mask", "iou_score"}]}}

Labels count from 0, as there; the other members are those of predictions.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mindrcnn.outputs import read_head


def zoo_document(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the map of entries of predictions.json by their path."""
    return {
        document["file"]: {
            "height": document["height"],
            "width": document["width"],
            "predictions": [_with_label_from_zero(one) for one in document["predictions"]],
        }
        for document in documents
    }


def is_zoo_document(path: Path) -> bool:
    """Says whether a file looks like such a map; it has no room for a mark."""
    entry = rb'"(?:[^"\\]|\\.)*": \{"height": \d+, "width": \d+, "predictions": '
    return re.match(rb"\{(\}|" + entry + rb")", read_head(path)) is not None


def _with_label_from_zero(prediction: Mapping[str, Any]) -> dict[str, Any]:
    named = prediction["class"]
    return {**prediction, "class": {**named, "label": named["label"] - 1}}
