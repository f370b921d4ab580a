"""The detections of one image in its own pixels, and their conversion to other formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.image_io import ImageSource, RGBImage
from mindrcnn.drawing.objects import DrawnObject, draw_objects
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.drawing.style import DEFAULT_STYLE, Style
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.results import rounded_xywh, shortest
from mindrcnn.evaluation.paste import Rle, decode, encode_masks, mask_area

if TYPE_CHECKING:
    import supervision

SHOWN = 3  # detections that repr lists

Index = int | slice | Sequence[int] | Sequence[bool] | NDArray[np.bool_] | NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Detections:
    """The N objects found in one image; a detector returns them best score first.

    boxes: (N, 4) float32, xyxy in pixels of the image, inside it.
    scores: (N,) float32 class probabilities.
    labels: (N,) int32, 1..K.
    classes: the K class names of the model; classes[label - 1] is the name of a label.
    category_ids: the K ids of the data set that the model was trained on.
    image_size: (height, width) of the image, after EXIF rotation.
    source: the image itself, for drawing; None if it is not known.
    box_masks: (N, M, M) float32 mask probabilities, each stretched over its box; None for a box-only detector.
    mask_scores: (N,) float32 class score x predicted IoU, the score that ranks the mask; None if the detector
        predicts no IoU.
    mask_thresh: the probability at which a pixel belongs to the object.
    image_masks: the N masks in the whole image, of a detection whose box does not frame one; they replace box_masks.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    image_size: tuple[int, int]
    source: ImageSource | None = None
    box_masks: NDArray[np.float32] | None = None
    mask_scores: NDArray[np.float32] | None = None
    mask_thresh: float = 0.5
    image_masks: tuple[Rle, ...] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Index) -> Detections:
        """Returns the detections at a position, slice, list of positions or (N,) bool mask; always a Detections."""
        positions = np.arange(len(self))[_checked_index(index, len(self))].reshape(-1)
        selected = replace(
            self,
            boxes=self.boxes[positions],
            scores=self.scores[positions],
            labels=self.labels[positions],
            box_masks=None if self.box_masks is None else self.box_masks[positions],
            mask_scores=None if self.mask_scores is None else self.mask_scores[positions],
            image_masks=None if self.image_masks is None else tuple(self.image_masks[place] for place in positions),
        )
        pasted = self.__dict__.get("rle")
        if pasted is not None:  # pasting is slow
            selected.__dict__["rle"] = [pasted[position] for position in positions]
        return selected

    def __iter__(self) -> Iterator[Detections]:
        """Yields each object as a Detections of length 1."""
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        height, width = self.image_size
        listed = [f"{name} {score:.2f}" for name, score in zip(self.class_names, self.scores.tolist(), strict=True)]
        more = [f"and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        masks = ", with masks" if self.has_masks else ""
        origin = "" if self.path is None else f" of {self.path.name}"
        found = ", ".join(listed[:SHOWN] + more) or "nothing"
        return f"<Detections{origin}: {found}; image {width} x {height}{masks}>"

    @property
    def path(self) -> Path | None:
        """The image's file; None for an image that was given as pixels."""
        return None if self.source is None else self.source.path

    @property
    def class_names(self) -> list[str]:
        """The class name of each object, N of them."""
        return [self.classes[label - 1] for label in self.labels.tolist()]

    @property
    def iou_scores(self) -> NDArray[np.float64] | None:
        """(N,) float64 predicted mask IoU, mask_scores / scores; None if the detector predicts none."""
        if self.mask_scores is None:
            return None
        scores = self.scores.astype(np.float64)
        return cast(
            "NDArray[np.float64]",
            np.divide(self.mask_scores, scores, out=np.zeros_like(scores), where=scores > 0),
        )

    @property
    def has_masks(self) -> bool:
        """Whether the detector gives masks."""
        return self.box_masks is not None or self.image_masks is not None

    @cached_property
    def rle(self) -> list[Rle] | None:
        """COCO RLE of each mask, pasted into the image when first asked for; None for a box-only detector."""
        if self.image_masks is not None:
            return list(self.image_masks)
        if self.box_masks is None:
            return None
        height, width = self.image_size
        return encode_masks(self.box_masks, self.boxes, height=height, width=width, thresh=self.mask_thresh)

    @property
    def mask_areas(self) -> list[int]:
        """The number of pixels of each mask; empty for a box-only detector."""
        return [mask_area(rle) for rle in self.rle or ()]

    @cached_property
    def masks(self) -> NDArray[np.bool_] | None:
        """(N, H, W) bool, pasted into the image when first asked for; None for a box-only detector."""
        if self.rle is None:
            return None
        masks = np.zeros((len(self), *self.image_size), dtype=bool)
        for mask, rle in zip(masks, self.rle, strict=True):
            mask[:] = decode(rle)
        return masks

    def drawn_objects(self) -> list[DrawnObject]:
        """Returns the objects in the form that mindrcnn.drawing takes."""
        rles: Sequence[Rle | None] = self.rle or [None] * len(self)
        return [
            DrawnObject(box=(box[0], box[1], box[2], box[3]), label=label, score=score, rle=rle)
            for box, label, score, rle in zip(
                self.boxes.tolist(), self.labels.tolist(), self.scores.tolist(), rles, strict=True
            )
        ]

    def draw(self, path: str | Path | None = None, *, style: Style = DEFAULT_STYLE) -> RGBImage:
        """Returns the image as RGB (H, W, 3) uint8 with boxes, masks and names drawn; writes it to `path` if given.

        Raises InputError if the image can no longer be read or `path` cannot be written.
        """
        if self.source is None:
            raise InputError("draw: wanted detections that know their image, got some without a source")
        picture = draw_objects(self.source.image(), self.drawn_objects(), self.classes, style)
        if path is not None:
            write_picture(Path(path), picture)
        return picture

    def to_dict(self) -> dict[str, Any]:
        """Returns the image's entry in predictions.json as plain numbers, strings, lists and dicts.

            {"file", "height", "width", "predictions": [
                {"bbox": {"x_min", "y_min", "width", "height"}, "class": {"label", "category_id", "name"},
                 "score", "mask": {"size", "counts"}, "iou_score"}]}

        "mask" needs a detector with masks, "iou_score" one that predicts its masks' IoU.
        """
        predictions: list[dict[str, Any]] = []
        for box, label, score in zip(
            rounded_xywh(self.boxes), self.labels.tolist(), shortest(self.scores), strict=True
        ):
            named = {"label": label, "category_id": self.category_ids[label - 1], "name": self.classes[label - 1]}
            corners = dict(zip(("x_min", "y_min", "width", "height"), box, strict=True))
            predictions.append({"bbox": corners, "class": named, "score": score})
        self._add_masks(predictions, "mask")
        height, width = self.image_size
        file = None if self.path is None else str(self.path)
        return {"file": file, "height": height, "width": width, "predictions": predictions}

    def to_coco(self, image_id: int, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Returns COCO results: image_id, category_id, bbox [x, y, width, height], score, segmentation, iou_score.

        category_ids: category_ids[label - 1] is the id of a label; None takes the ids of the model's training data.
        """
        ids = self.category_ids if category_ids is None else category_ids
        entries: list[dict[str, Any]] = [
            {"image_id": image_id, "category_id": int(ids[label - 1]), "bbox": box, "score": score}
            for label, box, score in zip(
                self.labels.tolist(), rounded_xywh(self.boxes), shortest(self.scores), strict=True
            )
        ]
        self._add_masks(entries, "segmentation")
        return entries

    def to_supervision(self) -> supervision.Detections:
        """Returns a supervision.Detections: class_id counts from 0, data["class_name"] holds the names.

        Raises InputError if supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise InputError(
                "to_supervision: wanted the package supervision, got none: run pip install supervision"
            ) from error
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            mask=self.masks,
            confidence=self.scores.copy(),
            class_id=self.labels.astype(int) - 1,
            data={"class_name": np.array(self.class_names, dtype=str)},
        )

    def _add_masks(self, entries: list[dict[str, Any]], key: str) -> None:
        """Adds each object's RLE under `key`, and its predicted IoU, if the detector gives them."""
        for entry, rle in zip(entries, self.rle or (), strict=self.rle is not None):
            entry[key] = dict(rle)
        if self.iou_scores is not None:
            for entry, iou_score in zip(entries, shortest(self.iou_scores), strict=True):
                entry["iou_score"] = iou_score


def _checked_index(index: Index, count: int) -> Any:
    """Returns the index for NumPy. Raises TypeError for one that NumPy would misread, such as floats or a name."""
    if isinstance(index, int | np.integer | slice) and not isinstance(index, bool):
        return index
    positions = np.asarray(index)
    if positions.size == 0 and positions.dtype != bool:
        return positions.astype(np.intp)
    if positions.ndim != 1 or positions.dtype.kind not in "biu":
        raise TypeError(f"Detections: wanted a position, slice, list of positions or bool mask as index, got {index!r}")
    if positions.dtype == bool and len(positions) != count:
        raise IndexError(f"Detections: wanted a bool mask of length {count}, got {len(positions)}")
    return positions
