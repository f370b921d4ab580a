from dataclasses import replace

import numpy as np
import pytest

from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.record import RecordSelection, Shapeless
from mindrcnn.errors import InputError


@pytest.fixture
def dataset(content, write_coco):
    annotations, images = write_coco(content)
    return read_coco(annotations=annotations, images=images)


def test_places_and_slices(dataset):
    records = dataset.records
    assert [record.image_id for record in records] == [70, 3]
    assert records[-1].image_id == 3
    assert [record.image_id for record in records[1:]] == [3]
    with pytest.raises(IndexError):
        records[2]
    chosen = RecordSelection(records, np.array([1, 0, 1]))
    assert [record.image_id for record in chosen] == [3, 70, 3]
    assert [record.image_id for record in chosen[1:]] == [70, 3]


def test_a_limit_spreads_over_the_split(dataset):
    repeated = replace(dataset, records=RecordSelection(dataset.records, np.array([0, 1, 0, 1, 1, 0])))
    limited = repeated.first_evenly(3)
    assert [record.image_id for record in limited.records] == [70, 70, 3]
    assert limited.classes == dataset.classes
    assert repeated.first_evenly(6) is repeated
    shapeless = replace(repeated, shapeless=Shapeless([5], RecordSelection(dataset.records, np.array([1] * 6))))
    limited = shapeless.first_evenly(3)
    assert [record.image_id for record in limited.require_masks().records] == [3, 3, 3]


def test_masks_are_read_when_they_are_asked_for(dataset):
    masks = dataset.records[0].segmentations
    assert len(masks) == 2
    assert [mask is None for mask in masks] == [False, False]
    assert list(masks[1].parts[0]) == [50, 30, 60, 30, 60, 40]
    assert len(masks[:1]) == 1
    with pytest.raises(IndexError):
        masks[2]


def test_a_file_that_is_replaced_still_gives_the_old_masks(dataset):
    path = dataset.annotation_file
    path.rename(path.with_suffix(".old"))
    path.write_text("{}")
    assert list(dataset.records[0].segmentations[1].parts[0]) == [50, 30, 60, 30, 60, 40]


def test_a_file_that_is_written_over_is_named(dataset):
    dataset.annotation_file.write_text("[" * 2000)
    with pytest.raises(InputError, match=r"annotations\.json: .* has the file changed since"):
        dataset.records[0].segmentations[1]
