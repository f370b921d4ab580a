"""The pieces of the comparison: a side trains one model on one data set with one seed.

Both sides read the folder `inputs/` of a run and write one of their own; a piece with a `result.json` is done. Neither
MindSpore nor torch is imported here, because each side has only one of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MASK_RCNN = "mask_rcnn"
MODELS = (MASK_RCNN, "faster_rcnn")
MINDRCNN, TORCHVISION = "mindrcnn", "torchvision"
SIDES = (MINDRCNN, TORCHVISION)
# Our loss -> torchvision's
LOSSES = {
    "loss_rpn_cls": "loss_objectness",
    "loss_rpn_box": "loss_rpn_box_reg",
    "loss_cls": "loss_classifier",
    "loss_box_reg": "loss_box_reg",
    "loss_mask": "loss_mask",
}
# In the folder of a side; TRAINED is a result without metrics.
PREDICTIONS, TRAINED, RESULT = "predictions.npz", "trained.json", "result.json"
# In the folder of our side: the training run, and its results scored with boundaries.
RUN, BOUNDARY = "run", "boundary"
# In the folder of inputs.
REQUEST, CONFIG, CHECKPOINT = "request.json", "config.yaml", "initial.ckpt"
WEIGHTS, SETTINGS = "initial.npz", "settings.json"
TRAIN_IMAGES, EVAL_IMAGES = "train.npz", "eval.npz"


@dataclass(frozen=True)
class Run:
    """One model on one data set with one seed, for both sides, and where its files are."""

    root: Path
    data: str
    model: str
    seed: int

    @property
    def name(self) -> str:
        """Returns a short name for messages."""
        return f"{self.data}/{self.model}/seed{self.seed}"

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Returns the arguments of a program that works on this run."""
        return str(self.root), self.data, self.model, str(self.seed)

    @classmethod
    def of(cls, words: Sequence[str]) -> Run:
        """Returns the run of such arguments."""
        root, data, model, seed = words
        return cls(Path(root), data, model, int(seed))

    @property
    def folder(self) -> Path:
        """Returns the folder of both sides."""
        return self.root / self.data / self.model / f"seed{self.seed}"

    @property
    def inputs(self) -> Path:
        """Returns the folder of what both sides read."""
        return self.folder / "inputs"

    def side(self, name: str) -> Path:
        """Returns the folder of one side."""
        return self.folder / name

    def is_done(self, side: str) -> bool:
        """Says whether a side has trained and been evaluated."""
        return (self.side(side) / RESULT).is_file()


@dataclass(frozen=True)
class Result:
    """What one side reached.

    metrics: by name, such as bbox_AP.
    losses: our name -> the value of each step.
    seconds: of training, without preparation and evaluation.
    versions: libraries and their versions.
    """

    metrics: Mapping[str, float]
    losses: Mapping[str, list[float]]
    seconds: float
    versions: str


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a file whole, so that a run that is stopped leaves no half of it."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def read_result(folder: Path) -> Result:
    """Reads the result of one side."""
    return Result(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
