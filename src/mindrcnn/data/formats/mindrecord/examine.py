"""Examines converted data: its files, because what was wrong with its annotations stopped or left its conversion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.formats.mindrecord.reader import read_mindrecord
from mindrcnn.data.record import Dataset
from mindrcnn.data.record_table import RecordTable
from mindrcnn.data.survey import Survey
from mindrcnn.errors import InputError


def examine_mindrecord(
    *, folder: Path, classes: Sequence[str], needs_masks: bool, findings: Findings
) -> tuple[Dataset, Survey]:
    """The data set, and its numbers. Every mask is read. InputError where a shard is missing or damaged."""
    dataset = read_mindrecord(folder=folder, classes=classes)
    records = dataset.records
    assert isinstance(records, RecordTable)
    if needs_masks:
        missing = dataset.without_mask
        findings.add_all(Kind.NO_MASK, (f"object number {number}" for number in missing), len(missing))
    for record in records:
        try:
            for _ in record.segmentations:
                pass
        except InputError as error:
            findings.add(Kind.MASK, str(error))
    survey = Survey(
        source=folder,
        names=[os.fsdecode(name) for name in records.names],
        sizes=records.sizes,
        image=np.repeat(np.arange(len(records)), np.diff(records.ends, prepend=0)),
        boxes=records.boxes,
        labels=records.labels.astype(np.int64),
        crowd=records.crowd,
        classes=dataset.classes,
        category_ids=dataset.category_ids,
    )
    return dataset, survey
