"""One split of a configuration under examination."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.coco.examine import examine_coco
from mindrcnn.data.formats.image_files import missing_images
from mindrcnn.data.formats.mindrecord.examine import examine_mindrecord
from mindrcnn.data.formats.txt_list import examine_txt
from mindrcnn.data.image_io import read_image
from mindrcnn.data.survey import Survey
from mindrcnn.doctor.decoding import examine_images


def examine_files(
    *,
    annotations: Path,
    images: Path,
    is_txt: bool,
    classes: Sequence[str],
    ignore_other_categories: bool,
    needs_masks: bool,
    workers: int | None,
    findings: Findings,
) -> tuple[Survey, int | None]:
    """A COCO file or TXT list and its images, decoded by `workers` threads (None: not decoded); returns the numbers and
    how many images were decoded."""
    if is_txt:
        survey = examine_txt(
            annotations=annotations, images=images, classes=classes, needs_masks=needs_masks, findings=findings
        )
    else:
        survey = examine_coco(
            annotations=annotations,
            images=images,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            needs_masks=needs_masks,
            findings=findings,
        )
    if workers is None:
        return survey, None
    missing = set(missing_images(survey.names, folder=images))
    present = [
        (images / name, (int(height), int(width)))
        for name, (height, width) in zip(survey.names, survey.sizes, strict=True)
        if name not in missing and height > 0
    ]

    def read(place: int) -> object:
        path, size = present[place]
        return read_image(path, annotated_size=size)

    examine_images(read, len(present), findings, workers=workers)
    return survey, len(present)


def examine_converted(
    *, folder: Path, classes: Sequence[str], needs_masks: bool, workers: int | None, findings: Findings
) -> tuple[Survey, int | None]:
    """A folder of MindRecord files; as examine_files."""
    dataset, survey = examine_mindrecord(folder=folder, classes=classes, needs_masks=needs_masks, findings=findings)
    if workers is None:
        return survey, None
    records = dataset.records
    examine_images(lambda place: records[place].image(), len(records), findings, workers=workers)
    return survey, len(records)
