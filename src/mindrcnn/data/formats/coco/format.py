"""COCO JSON as a data format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.coco.examine import examine_coco
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.image_files import examination_of_files
from mindrcnn.data.formats.layout import SplitFiles, find_split
from mindrcnn.data.record import Dataset
from mindrcnn.data.survey import Examination


class CocoFormat:
    """One JSON file with images, annotations and categories, beside a folder of images."""

    name = "coco"
    has_masks = True
    needs_annotations = ""

    def locate(self, *, root: Path, name: str, annotations: str, images: str) -> SplitFiles:
        """Returns the split's files, found by its name if `annotations` is empty."""
        return find_split(root=root, name=name, annotations=annotations, images=images)

    def read(self, files: SplitFiles, *, classes: Sequence[str], ignore_other_categories: bool) -> Dataset:
        """Reads the file with `read_coco`."""
        return read_coco(
            annotations=files.annotations,
            images=files.images,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            skip_missing=files.skip_missing,
        )

    def examine(
        self,
        files: SplitFiles,
        *,
        classes: Sequence[str],
        ignore_other_categories: bool,
        needs_masks: bool,
        findings: Findings,
    ) -> Examination:
        """Examines file and images; every mask is parsed."""
        survey = examine_coco(
            annotations=files.annotations,
            images=files.images,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            needs_masks=needs_masks,
            findings=findings,
            skip_missing=files.skip_missing,
        )
        return examination_of_files(survey, folder=files.images)
