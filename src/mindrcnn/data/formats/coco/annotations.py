"""The checked annotations of a COCO file, from which training, evaluation and the doctor all work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mindrcnn.data.findings import Findings, Kind, examine_boxes
from mindrcnn.data.formats.class_list import ClassList, match_classes
from mindrcnn.data.formats.coco.columns import Ints, id_array, places_of
from mindrcnn.data.formats.coco.tables import Mask, Objects, Tables
from mindrcnn.errors import InputError


@dataclass(frozen=True, eq=False)
class Annotations:
    """The n images of a file and the m of its objects that are used, ordered by image.

    Objects of other categories and those without area in their image are not among them; nobody uses those.
    """

    tables: Tables
    classes: ClassList
    rows: Ints  # (m,) index of each object in the table
    image: Ints  # (m,) index of its image
    boxes: npt.NDArray[np.float32]  # (m, 4) xyxy, clipped
    labels: npt.NDArray[np.int32]  # (m,) 1..K
    ignored: int  # number of annotations of other categories
    without_area: int  # number of objects without area in their image

    @property
    def ids(self) -> Ints:
        """(m,) annotation ids."""
        return self.tables.objects.ids[self.rows]

    @property
    def crowd(self) -> npt.NDArray[np.bool_]:
        """(m,) bool."""
        return self.tables.objects.crowd[self.rows]

    @property
    def without_mask(self) -> npt.NDArray[np.bool_]:
        """(m,) whether an object that is not a crowd has no segmentation."""
        return (self.tables.objects.masks[self.rows] == Mask.NONE) & ~self.crowd

    @property
    def shapeless(self) -> npt.NDArray[np.bool_]:
        """(m,) whether every polygon of an object that is not a crowd has too few corners."""
        return (self.tables.objects.masks[self.rows] == Mask.EMPTY) & ~self.crowd


def check_annotations(
    tables: Tables, *, classes: Sequence[str], ignore_other_categories: bool, findings: Findings
) -> Annotations:
    """Returns the annotations of a file whose rows are checked, and adds the mistakes in them to `findings`.

    tables: the file's tables.
    classes: class names in the order of the labels; empty: the file's categories by ascending id.
    ignore_other_categories: whether annotations of other categories are ignored.
    findings: receives the mistakes; a FirstError makes this raise the first.
    """
    pictures, objects, categories = tables.pictures, tables.objects, tables.categories
    for ids, what in ((pictures.ids, "image"), (categories.ids, "category"), (objects.ids, "annotation")):
        _repeated(ids, what, findings)
    known_category = _places(objects.category_ids, categories.ids) >= 0
    _unknown(objects, "category_id", objects.category_ids, known_category, Kind.UNKNOWN_CATEGORY, findings)
    class_list = _class_list(tables, classes, ignore_other_categories, findings)
    labels = _places(objects.category_ids, id_array(class_list.category_ids)) + 1
    of_image = _places(objects.image_ids, pictures.ids)
    _unknown(objects, "image_id", objects.image_ids, of_image >= 0, Kind.UNKNOWN_IMAGE, findings)

    order = np.argsort(of_image, kind="stable")
    order = order[(labels[order] > 0) & (of_image[order] >= 0)]
    name_of = _namer(objects, order)
    _bad_masks(tables, order, of_image, name_of, findings)
    boxes, has_area = examine_boxes(objects.boxes[order], pictures.sizes[of_image[order]], findings, name_of=name_of)
    rows = order[has_area]
    return Annotations(
        tables=tables,
        classes=class_list,
        rows=rows,
        image=of_image[rows],
        boxes=boxes[has_area],
        labels=labels[rows].astype(np.int32),
        ignored=int((labels == 0).sum()),
        without_area=len(order) - len(rows),
    )


def _class_list(tables: Tables, classes: Sequence[str], ignore_others: bool, findings: Findings) -> ClassList:
    """Returns the class list of training, or all categories if that is impossible."""
    categories = tables.categories
    try:
        class_list = match_classes(
            path=tables.path,
            names=categories.names,
            ids=categories.ids.tolist(),
            parents=categories.parents,
            wanted=classes,
            used=frozenset(np.unique(tables.objects.category_ids).tolist()),
            ignore_others=ignore_others,
        )
    except InputError as error:
        findings.add(Kind.CLASSES, str(error).removeprefix(f"{tables.path}: "))
        return ClassList(tuple(categories.names), tuple(categories.ids.tolist()))
    findings.add_all(Kind.LEFT_OUT, class_list.left_out, len(class_list.left_out))
    return class_list


def _bad_masks(tables: Tables, order: Ints, of_image: Ints, name_of: Callable[[int], str], findings: Findings) -> None:
    """Adds the segmentations of objects `order` that are malformed or not of their image's size."""
    objects = tables.objects
    masks, sizes, image_sizes = (
        objects.masks[order],
        objects.mask_sizes[order],
        tables.pictures.sizes[of_image[order]],
    )
    bad = np.flatnonzero(masks == Mask.BAD)
    findings.add_all(
        Kind.MASK, (f"{name_of(place)}: {objects.problems[int(objects.ids[order[place]])]}" for place in bad), len(bad)
    )
    differs = np.flatnonzero((masks == Mask.RUN_LENGTHS) & (sizes != image_sizes).any(axis=1))
    findings.add_all(
        Kind.MASK,
        (
            f"{name_of(place)}: segmentation size: wanted the image's height and width "
            f"{image_sizes[place].tolist()}, got {sizes[place].tolist()}"
            for place in differs
        ),
        len(differs),
    )


def _repeated(ids: Ints, what: str, findings: Findings) -> None:
    values, counts = np.unique(ids, return_counts=True)
    places = np.flatnonzero(counts > 1)
    findings.add_all(
        Kind.REPEATED,
        (f"wanted every {what} id once, got {what} id {values[p]} {counts[p]} times" for p in places),
        len(places),
    )


def _unknown(objects: Objects, key: str, values: Ints, known: np.ndarray, kind: Kind, findings: Findings) -> None:
    places = np.flatnonzero(~known)
    table = "images" if kind is Kind.UNKNOWN_IMAGE else "categories"
    findings.add_all(
        kind,
        (f"annotation id {objects.ids[p]}: {key} {values[p]} is not among the {table}" for p in places),
        len(places),
    )


def _places(ids: Ints, known: Ints) -> Ints:
    """Returns `places_of` with the first index of a repeated id."""
    values, first = np.unique(known, return_index=True)
    places = places_of(ids, values)
    return np.where(places >= 0, first[places], -1) if len(values) else places


def _namer(objects: Objects, order: Ints) -> Callable[[int], str]:
    def name_of(place: int) -> str:
        return f"annotation id {objects.ids[order[place]]} (image id {objects.image_ids[order[place]]})"

    return name_of
