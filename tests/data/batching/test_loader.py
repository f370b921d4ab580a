import dataclasses
import itertools
import logging
import threading
import time
from array import array

import cv2
import numpy as np
import pytest

from mindrcnn.concurrency import map_ordered
from mindrcnn.data.batching.batch import InputFormat, ObjectFormat
from mindrcnn.data.batching.loader import EvalLoader, TrainLoader
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.layout import find_split
from mindrcnn.data.masks import Polygons
from mindrcnn.data.record import Record
from mindrcnn.data.transforms.augment import Augment
from mindrcnn.errors import InputError

FORMAT = InputFormat(buckets=((64, 96), (96, 64)), short_side=60)
AUGMENT = Augment(flip_prob=0.5, short_sides=(48, 60), photometric_prob=0.5, expand_prob=0.3, crop_prob=0.3)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Twelve images of 30 x 40 or 40 x 30, each with a white rectangle; the first also has a crowd."""
    folder = tmp_path_factory.mktemp("images")
    made = []
    for index in range(12):
        height, width = (30, 40) if index % 3 else (40, 30)
        left, top = 3 + index, 5
        picture = np.full((height, width, 3), (40, 80, 20 * index), np.uint8)
        picture[top : top + 10, left : left + 12] = 255
        path = folder / f"{index}.png"
        cv2.imwrite(str(path), picture)
        box = [left, top, left + 12, top + 10]
        corners = array("f", [box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3]])
        crowds = int(index == 0)
        made.append(
            Record(
                image_id=100 + index,
                path=path,
                height=height,
                width=width,
                boxes=np.array([box] + [[0, 0, 9, 9]] * crowds, np.float32),
                labels=np.array([1 + index % 3] + [2] * crowds, np.int32),
                crowd=np.array([False] + [True] * crowds),
                segmentations=(Polygons((corners,)),) + (None,) * crowds,
            )
        )
    return tuple(made)


def train_loader(records, **options):
    defaults = {
        "input_format": FORMAT,
        "object_format": ObjectFormat(max_objects=4, mask_side=14),
        "augment": AUGMENT,
        "batch_size": 3,
        "seed": 0,
        "workers": 0,
    }
    return TrainLoader(records=records, **{**defaults, **options})


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 1), (2, 4), (5, 2)])
def test_any_number_of_workers_gives_the_same_batches(records, workers, prefetch):
    alone = list(train_loader(records).epoch(1))
    assert_same(alone, list(train_loader(records, workers=workers, prefetch=prefetch).epoch(1)))


def test_taken_up_in_the_middle(records):
    loader = train_loader(records, workers=2)
    assert loader.steps_per_epoch(0) == 4
    assert_same(list(loader.epoch(5))[2:], list(loader.epoch(5, start_step=2)))
    assert list(loader.epoch(5, start_step=4)) == []


RECIPE = {
    "augment": Augment(flip_prob=0.5, scale_jitter=(0.5, 2.0), copy_paste_prob=0.7),
    "repeat_thresh": 0.8,
}


def test_pasted_and_repeated_images_depend_on_seed_and_epoch_alone(records):
    whole = list(train_loader(records, batch_size=4, **RECIPE).epoch(1))
    assert_same(whole, list(train_loader(records, batch_size=4, workers=3, **RECIPE).epoch(1)))
    assert_same(whole[2:], list(train_loader(records, batch_size=4, **RECIPE).epoch(1, start_step=2)))
    halves = [train_loader(records, batch_size=2, rank=rank, world_size=2, **RECIPE).epoch(1) for rank in (0, 1)]
    for batch, left, right in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(batch.images, np.concatenate([left.images, right.images]))
        np.testing.assert_array_equal(batch.gt_masks, np.concatenate([left.gt_masks, right.gt_masks]))


def test_a_repeated_image_is_augmented_in_another_way(records, caplog):
    augment = Augment(scale_jitter=(0.5, 2.0))
    with caplog.at_level(logging.INFO):
        loader = train_loader(records, batch_size=1, augment=augment, repeat_thresh=1.0)
    assert "an epoch uses 12 of 12 images more than once, up to 1.7 times" in caplog.text
    batches = sorted(loader.epoch(0), key=lambda batch: batch.image_ids)
    pairs = [pair for pair in itertools.pairwise(batches) if pair[0].image_ids == pair[1].image_ids]
    assert len(pairs) == len(batches) - 12 > 5
    assert all((one.images != other.images).any() for one, other in pairs)


def test_objects_are_pasted_from_other_images(records):
    pasted = train_loader(records, batch_size=1, augment=Augment(copy_paste_prob=1.0))
    plain = train_loader(records, batch_size=1, augment=Augment())
    more = 0
    for one, other in zip(pasted.epoch(0), plain.epoch(0), strict=True):
        assert one.image_ids == other.image_ids
        assert one.images.shape == other.images.shape
        more += one.gt_valid.sum() > other.gt_valid.sum()
    assert 2 <= more <= 10  # one object of the other image, or none


def test_epochs_and_seeds_differ(records):
    def first_images(seed, epoch):
        return b"".join(batch.images.tobytes() for batch in train_loader(records, seed=seed).epoch(epoch))

    assert first_images(0, 0) == first_images(0, 0)
    assert len({first_images(0, 0), first_images(0, 1), first_images(1, 0)}) == 3


def test_shapes_types_and_padding(records):
    batches = list(train_loader(records).epoch(0))
    assert {batch.images.shape[2:] for batch in batches} == {(64, 96), (96, 64)}
    seen = []
    for batch in batches:
        assert batch.images.dtype == batch.gt_masks.dtype == np.uint8
        assert batch.image_sizes.dtype == batch.gt_labels.dtype == np.int32
        assert batch.gt_boxes.dtype == np.float32
        assert batch.gt_valid.dtype == batch.gt_crowd.dtype == np.bool_
        assert batch.gt_boxes.shape == (3, 4, 4)
        assert batch.gt_masks.shape == (3, 4, 14, 14)
        seen += batch.image_ids
        for image, (height, width) in zip(batch.images, batch.image_sizes, strict=True):
            assert not image[:, height:].any()
            assert not image[:, :, width:].any()
            assert image[:, :height, :width].any()
        used = batch.gt_valid | batch.gt_crowd
        assert not (batch.gt_valid & batch.gt_crowd).any()
        np.testing.assert_array_equal(batch.gt_labels > 0, used)
        assert not batch.gt_boxes[~used].any()
        assert not batch.gt_masks[~batch.gt_valid].any()
        assert batch.gt_masks[batch.gt_valid].any(axis=(1, 2)).all()
    assert sorted(seen) == list(range(100, 112))


def test_boxes_lie_on_their_pixels(records):
    plain = Augment(flip_prob=0.5)
    crowds = 0
    for batch in train_loader(records, augment=plain).epoch(0):
        for index in range(3):
            crowds += int(batch.gt_crowd[index].sum())
            x1, y1, x2, y2 = batch.gt_boxes[index][batch.gt_valid[index]][0]
            green = batch.images[index, 1]
            rows, columns = np.nonzero(green > 180)
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(found, [x1, y1, x2, y2], atol=1)
            assert batch.gt_masks[index][batch.gt_valid[index]].all()
    assert crowds == 1


def test_channel_order(records):
    rgb = next(train_loader(records).epoch(0)).images
    bgr = next(train_loader(records, input_format=dataclasses.replace(FORMAT, channel_order="bgr")).epoch(0)).images
    np.testing.assert_array_equal(rgb, bgr[:, ::-1])
    plain = train_loader(records, augment=Augment()).epoch(0)
    batch = next(plain)
    # the files are BGR (40, 80, 20 x index), so the red channel tells the image
    assert batch.images[0, 0, 0, 0] == 20 * (batch.image_ids[0] - 100)
    assert batch.images[0, 2, 0, 0] == 40


@pytest.fixture
def full_record(records):
    """One image with nine objects, all different."""
    return dataclasses.replace(
        records[1],
        boxes=np.array([[i, i, i + 10, i + 12] for i in range(9)], np.float32),
        labels=np.arange(1, 10, dtype=np.int32),
        crowd=np.zeros(9, bool),
        segmentations=(None,) * 9,
    )


def test_more_objects_than_slots(records, full_record, caplog):
    with caplog.at_level(logging.WARNING):
        loader = train_loader((full_record, *records[2:]), batch_size=1, augment=Augment())
        chosen = {}
        for epoch in range(6):
            for batch in loader.epoch(epoch):
                if batch.image_ids == (full_record.image_id,):
                    assert batch.gt_valid.all()
                    labels = batch.gt_labels[0]
                    np.testing.assert_allclose(batch.gt_boxes[0, :, 0], (labels - 1) * 2, atol=1e-4)
                    chosen[epoch] = tuple(labels.tolist())
    assert len(chosen) == 6
    assert len(set(chosen.values())) > 1
    assert all(len(set(labels)) == 4 for labels in chosen.values())
    assert caplog.text.count("images have more than") == 1
    assert "1 of 11 images have more than 4 objects (at most 9)" in caplog.text


def test_no_warning_when_all_objects_fit(records, caplog):
    train_loader(records)
    assert "more than" not in caplog.text


def test_batch_larger_than_the_data_set(records):
    with pytest.raises(InputError, match="wanted at most the 12 usable training images, got 13"):
        train_loader(records, batch_size=13)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_surfaces_as_its_error(records, workers, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(records[4].path.read_bytes()[:60])
    bad = (*records[:4], dataclasses.replace(records[4], path=broken), *records[5:])
    with pytest.raises(InputError, match=r"broken\.png"):
        list(train_loader(bad, workers=workers).epoch(0))
    with pytest.raises(InputError, match=r"broken\.png"):
        list(EvalLoader(records=bad, input_format=FORMAT, batch_size=2, workers=workers))
    assert loader_threads() == 0


def loader_threads():
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        count = sum(thread.name.startswith("loader") for thread in threading.enumerate())
        if not count:
            return 0
        time.sleep(0.01)
    return count


def test_leaving_early_ends_the_threads(records):
    batches = train_loader(records, workers=3).epoch(0)
    next(batches)
    assert sum(thread.name.startswith("loader") for thread in threading.enumerate()) > 0
    batches.close()
    assert loader_threads() == 0


def test_an_interrupt_in_the_consumer_ends_the_threads(records):
    def consume():
        for _ in train_loader(records, workers=3).epoch(0):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert loader_threads() == 0


def test_results_come_in_order_and_only_so_far_ahead():
    started = []

    def make(item):
        started.append(item)
        time.sleep(0.02 if item % 2 else 0)
        return item

    results = map_ordered(make, list(range(20)), workers=2, prefetch=3)
    assert next(results) == 0
    time.sleep(0.2)
    assert max(started) <= 3
    assert list(results) == list(range(1, 20))


def test_waiting_work_is_cancelled_when_the_consumer_stops():
    started = []

    def make(item):
        started.append(item)
        time.sleep(0.02)
        return item

    results = map_ordered(make, list(range(100)), workers=2, prefetch=50)
    next(results)
    results.close()
    count = len(started)
    time.sleep(0.2)
    assert len(started) == count < 10


@pytest.mark.parametrize("keep_ratio", [True, False])
def test_an_input_of_any_size_is_padded_to_the_stride(records, keep_ratio):
    form = InputFormat(buckets=((50, 70),), short_side=50, keep_ratio=keep_ratio)
    for batch in EvalLoader(records=records, input_format=form, batch_size=5, workers=0):
        assert batch.images.shape[2:] == (64, 96)
        for image, size, record in zip(batch.images, batch.image_sizes, batch.sources, strict=False):
            kept = [50, 67] if record.width > record.height else [50, 38]
            assert size.tolist() == (kept if keep_ratio else [50, 70])
            assert image[:, : size[0], : size[1]].any()
            assert not image[:, size[0] :].any()
            assert not image[:, :, size[1] :].any()
    augment = Augment(keep_ratio=keep_ratio)
    loader = train_loader(records, input_format=form, augment=augment)
    assert {batch.images.shape[2:] for batch in loader.epoch(0)} == {(64, 96)}


@pytest.mark.parametrize("workers", [0, 2])
def test_eval_loader_has_every_record_once(records, workers):
    loader = EvalLoader(records=records, input_format=FORMAT, batch_size=5, workers=workers)
    batches = list(loader)
    assert len(batches) == len(loader) == 3
    seen = [record.image_id for batch in batches for record in batch.sources]
    assert sorted(seen) == list(range(100, 112))
    for batch in batches:
        assert batch.images.shape[:2] == (5, 3)
        assert len(batch.original_sizes) == len(batch.sources)
        assert not batch.images[len(batch.sources) :].any()
        for image, size, record, original in zip(
            batch.images, batch.image_sizes, batch.sources, batch.original_sizes, strict=False
        ):
            assert original == (record.height, record.width)
            assert size.tolist() == [60 * record.height // 30, 60 * record.width // 30]
            x1, y1, x2, y2 = (record.boxes[0] * 2).astype(int)
            assert (image[:, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] > 180).all()
            assert not image[:, size[0] :].any()
    assert sum(5 - len(batch.sources) for batch in batches) == 3


def test_real_images(shared_data):
    files = find_split(root=shared_data / "coco_mini", name="val2017")
    records = read_coco(annotations=files.annotations, images=files.images).records[:24]
    loader = TrainLoader(
        records=records,
        input_format=InputFormat(buckets=((256, 320), (320, 256)), short_side=240),
        object_format=ObjectFormat(max_objects=100, mask_side=28),
        augment=AUGMENT,
        batch_size=4,
        seed=3,
        workers=2,
    )
    batches = list(loader.epoch(0))
    assert len(batches) == 6
    for batch in batches:
        areas = (batch.gt_boxes[..., 2:] - batch.gt_boxes[..., :2]).prod(axis=-1)
        assert (areas[batch.gt_valid] > 0).all()
        limits = batch.image_sizes[:, None, [1, 0, 1, 0]]
        assert (batch.gt_boxes <= limits + 1e-3).all()
        shares = batch.gt_masks[batch.gt_valid].mean(axis=(1, 2))
        assert 0.4 < shares.mean() < 0.8  # of its box an object of COCO fills 0.6 on average


def test_eval_loader_of_nothing():
    """A process may be left without images to evaluate."""
    loader = EvalLoader(records=(), input_format=FORMAT, batch_size=2)
    assert (len(loader), list(loader)) == (0, [])
