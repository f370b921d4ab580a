"""A folder of MindRecord files as a data format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.mindrecord.reader import read_mindrecord
from mindrcnn.data.record import Dataset
from mindrcnn.data.survey import Examination, examine_dataset


class MindRecordFormat:
    """The folder that a conversion wrote; its shards hold images and annotations."""

    name = "mindrecord"
    has_masks = True
    needs_annotations = "the folder"

    def locate(self, *, root: Path, name: str, annotations: str, images: str) -> SplitFiles:
        """Returns the converted folder as both; `name` and `images` are not used."""
        folder = root / annotations
        return SplitFiles(annotations=folder, images=folder)

    def read(self, files: SplitFiles, *, classes: Sequence[str], ignore_other_categories: bool) -> Dataset:
        """Reads the folder; the conversion has chosen the categories."""
        return read_mindrecord(folder=files.annotations, classes=classes)

    def examine(
        self,
        files: SplitFiles,
        *,
        classes: Sequence[str],
        ignore_other_categories: bool,
        needs_masks: bool,
        findings: Findings,
    ) -> Examination:
        """Examines the images; mistakes in the annotations stopped the conversion or were left out by it."""
        dataset = self.read(files, classes=classes, ignore_other_categories=ignore_other_categories)
        return examine_dataset(
            dataset, source=files.annotations, images=files.images, needs_masks=needs_masks, findings=findings
        )
