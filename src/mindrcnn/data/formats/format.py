"""The protocol of a data format: location, reading and examination of its annotations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mindrcnn import paths
from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.layout import SplitFiles, find_split
from mindrcnn.data.record import Dataset
from mindrcnn.data.survey import Examination, examine_dataset
from mindrcnn.errors import InputError


class DataFormat(Protocol):
    """A format of annotations.

    A class that derives from it states `name` and `has_masks` and implements `read`; the rest suits a format with one
    annotation file per split.

    Attributes:
        name: its name in `data.train.format` and `data.val.format`.
        has_masks: whether its annotations can hold masks.
        needs_annotations: what `annotations` must name; empty if the name of a split is enough to find them.
    """

    name: str
    has_masks: bool
    needs_annotations: str = "the annotation file"

    def locate(self, *, root: Path, name: str, annotations: str, images: str) -> SplitFiles:
        """Returns the annotations and the image folder of a split.

        Raises InputError that says what is missing.

        root: folder of the data set.
        name: name of the split, empty if the configuration gives none.
        annotations: path of the annotations relative to `root`, or empty.
        images: path of the image folder relative to `root`, or empty.
        """
        return find_split(root=root, name=name, annotations=annotations, images=images)

    def read(self, files: SplitFiles, *, classes: Sequence[str], ignore_other_categories: bool) -> Dataset:
        """Returns the split as training reads it. Raises InputError at the first mistake.

        `classes` gives the order of the labels; empty: the order of the annotations themselves.
        """
        ...

    def examine(
        self,
        files: SplitFiles,
        *,
        classes: Sequence[str],
        ignore_other_categories: bool,
        needs_masks: bool,
        findings: Findings,
    ) -> Examination:
        """Returns the numbers of the usable images and objects, and adds every mistake to `findings`.

        Raises InputError only if the annotations as a whole cannot be read.

        files: the split.
        classes: see `read`.
        ignore_other_categories: whether annotations of other categories are ignored.
        needs_masks: whether an object without a mask is an error.
        findings: receives the findings.
        """
        dataset = self.read(files, classes=classes, ignore_other_categories=ignore_other_categories)
        return examine_dataset(
            dataset, source=files.annotations, images=files.images, needs_masks=needs_masks, findings=findings
        )


def locate_given(data_format: DataFormat, source: Path, split: str, images: str = "") -> SplitFiles:
    """Returns the files that a command line names: a split of a folder, the folder itself, or its annotations.

    data_format: the format of the annotations.
    source: the folder or the annotations.
    split: the name of the split, empty for all of `source`.
    images: the image folder, empty for the one that the format finds.
    Raises InputError for what does not exist or is of another format.
    """
    if not paths.exists(source):
        raise InputError(f"{source}: no such annotation file")
    images = str(paths.resolve(Path(images))) if images else ""
    if not paths.is_folder(source):
        return data_format.locate(root=source.parent, name=split, annotations=source.name, images=images)
    if split:
        return data_format.locate(root=source, name=split, annotations="", images=images)
    return data_format.locate(root=source, name="", annotations=".", images=images)
