"""The complete configuration of a run: every key with its type, default, limits and meaning.

Frozen dataclasses; the parts `model`, `data` and `train` have files of their own. `loader.py` fills them from YAML and
the command line, `reference.py` renders them as docs/configuration.md. Nothing but build/ and the programs imports
them. Values derived from others (anchor counts, feature sizes, steps) are never stored here.
"""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.data import DataConfig
from mindrcnn.config.model import ModelConfig
from mindrcnn.config.schema import key, require
from mindrcnn.config.train import TrainConfig
from mindrcnn.data.formats.registry import FORMATS, find_format


@dataclass(frozen=True)
class EvalConfig:
    """Evaluation and inference."""

    batch_size: int = key(1, "Images per forward pass.", low=1, high=1024)
    precision: Literal["float32", "float16"] = key(
        "float32", "float16: compute convolutions and matrix products of predictions in float16 (GPU and Ascend)."
    )
    mask_thresh: float = key(0.5, "Least mask probability at which a pixel belongs to the object.", low=0, high=1)
    backend: Literal["faster_coco_eval", "pycocotools"] = key(
        "faster_coco_eval", "COCO evaluator; both give the same numbers."
    )
    boundary: bool = key(False, "Also evaluate masks by boundary IoU; needs faster_coco_eval.")
    max_detections: int = key(
        100, "Most detections of a class in an image that COCO's numbers count; others than 100 are not COCO's.", low=11
    )
    tta: bool = key(
        False, "Test-time augmentation: predict each image at several scales and mirrored, and merge the results."
    )
    tta_scales: tuple[float, ...] = key(
        (1.0, 1.25), "With eval.tta: factors of the input size; each costs about one forward pass.", low=0.1, high=4
    )
    tta_flips: tuple[Literal["horizontal", "vertical"], ...] = key(
        ("horizontal",), "With eval.tta: directions in which the image at each scale is also mirrored."
    )
    tta_merge: Literal["nms", "wbf"] = key(
        "nms",
        "With eval.tta: nms suppresses the boxes of all views together, as detectron2 does; wbf: weighted box fusion.",
    )
    soft_nms: Literal["none", "linear", "gaussian"] = key(
        "none",
        "Instead of dropping boxes that overlap a better one of their class, lower their scores: linear by 1 - IoU "
        "above model.box.nms_thresh, gaussian by exp(-IoU^2 / eval.soft_nms_sigma).",
    )
    soft_nms_sigma: float = key(0.5, "Width of gaussian Soft-NMS.", low=0.01, high=100)
    agnostic_nms: bool = key(False, "Whether boxes of different classes suppress each other too.")
    limit: int = key(0, "Evaluate only the first N images, for quick checks; the tables say so. 0: all.", low=0)
    best_metric: Literal["auto", "bbox", "segm"] = key(
        "auto", "AP that decides which checkpoint is `best`; auto: segm for a model with masks, else bbox."
    )
    pictures: int = key(8, "Number of validation images to draw with their predictions after an evaluation.", low=0)
    report: bool = key(False, "Also write report.html, which says what goes wrong (report.md).")
    picture_score: float = key(0.5, "Lowest score to draw.", low=0, high=1)

    @property
    def views(self) -> tuple[tuple[float, Literal["horizontal", "vertical"] | None], ...]:
        """The scale and the direction of mirroring of each view of an image; one without eval.tta."""
        if not self.tta:
            return ((1.0, None),)
        return tuple((scale, flip) for scale in self.tta_scales for flip in (None, *self.tta_flips))

    def require_coherent(self) -> None:
        """Raises ValueError for keys that exclude each other."""
        scales, flips = self.tta_scales, self.tta_flips
        require(len(scales) > 0, "eval.tta_scales", "at least one scale", scales)
        require(len(set(scales)) == len(scales), "eval.tta_scales", "each scale at most once", scales)
        require(len(set(flips)) == len(flips), "eval.tta_flips", "each direction at most once", flips)
        if self.tta:
            require(
                len(self.views) > 1, "eval.tta_flips", "a direction or a second eval.tta_scales with eval.tta", flips
            )
            fuses_classes = self.agnostic_nms and self.tta_merge == "wbf"
            require(not fuses_classes, "eval.tta_merge", "nms with eval.agnostic_nms", self.tta_merge)

    def require_plain(self, wanted: str) -> None:
        """Raises ValueError if boxes are merged or suppressed outside the network's graph; `wanted` says why not."""
        require(not self.tta, "eval.tta", f"false {wanted}", self.tta)
        require(self.soft_nms == "none", "eval.soft_nms", f"none {wanted}", self.soft_nms)
        require(not self.agnostic_nms, "eval.agnostic_nms", f"false {wanted}", self.agnostic_nms)


@dataclass(frozen=True)
class DeviceConfig:
    """Device and execution mode."""

    target: Literal["CPU", "GPU", "Ascend"] = key("CPU", "MindSpore device target.")
    id: int = key(0, "Device number; the launcher's setting takes precedence.", low=0)
    mode: Literal["graph", "pynative"] = key("graph", "graph: compile each step; pynative: run eagerly, for debugging.")
    deterministic: bool = key(
        False, "GPU and Ascend: use slower operators that give the same results in every run, as a CPU's always do."
    )
    jit_level: Literal["auto", "O0", "O1", "O2"] = key(
        "auto",
        "MindSpore's jit_level, in graph mode on GPU and Ascend: O0 runs operator by operator, O1 fuses operators "
        "(graph kernels), O2 optimises whole graphs on Ascend; auto is MindSpore's own choice. No effect on a CPU.",
    )


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    name: str = key("run", "Name of the run, and of its folder under runs/.")
    model: ModelConfig = key(ModelConfig, "Detector.")
    data: DataConfig = key(DataConfig, "Data.")
    train: TrainConfig = key(TrainConfig, "Training.")
    eval: EvalConfig = key(EvalConfig, "Evaluation.")
    device: DeviceConfig = key(DeviceConfig, "Device.")

    def __post_init__(self) -> None:
        log_to = self.train.log_to
        require(len(set(log_to)) == len(log_to), "train.log_to", "each destination at most once", log_to)
        usable = bool(self.name) and self.name not in (".", "..") and not set(self.name) & set("/\\")
        require(usable, "name", "a folder name without slashes", self.name)
        self.eval.require_coherent()
        if self.model.mask is None:
            require(self.train.mask_branch, "train.mask_branch", "true without model.mask", False)
            require(self.eval.best_metric != "segm", "eval.best_metric", "auto or bbox without model.mask", "segm")
            require(not self.eval.boundary, "eval.boundary", "false without model.mask", True)
            require(
                not self.model.box.train_on_pred_boxes,
                "model.box.train_on_pred_boxes",
                "false without model.mask",
                True,
            )
        elif not self.train.mask_branch:
            wanted = "auto or bbox with train.mask_branch=false"
            require(self.eval.best_metric != "segm", "eval.best_metric", wanted, "segm")
        else:
            name = self.data.train.format
            with_masks = ", ".join(known.name for known in FORMATS.values() if known.has_masks)
            wanted = f"one of {with_masks}, or train.mask_branch=false, with model.mask: {name} has no masks"
            require(find_format(name).has_masks, "data.train.format", wanted, name)
        if self.device.target == "CPU":
            wanted = "float32 with device.target=CPU, which has no fast float16"
            for part, precision in (("train", self.train.precision), ("eval", self.eval.precision)):
                require(precision == "float32", f"{part}.precision", wanted, precision)
        if self.eval.boundary:
            require(
                self.eval.backend == "faster_coco_eval",
                "eval.backend",
                "faster_coco_eval with eval.boundary",
                self.eval.backend,
            )
        if self.model.mask is not None and self.model.mask.dynamic:
            mode = self.device.mode
            require(mode == "pynative", "device.mode", "pynative with model.mask.dynamic", mode)
