"""The prediction loop: order, fillers, overlap of device and host, errors, progress."""

import logging
import threading

import numpy as np
import pytest

from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.evaluation import predict as module
from mindrcnn.evaluation.predict import predict_images, with_progress
from mindrcnn.evaluation.rle import decode


@pytest.fixture
def make_batch(make_record):
    def make(image_ids):
        """Batch of images resized from 60x80 to 30x40; None is a filler."""
        count = len(image_ids)
        return EvalBatch(
            images=np.zeros((count, 3, 32, 64), np.uint8),
            image_sizes=np.full((count, 2), (30, 40), np.int32),
            records=tuple(None if number is None else make_record(image_id=number) for number in image_ids),
            original_sizes=((60, 80),) * count,
        )

    return make


def one_object_each(images, image_sizes):
    """A detector that sees the same object in every image."""
    count = len(images)
    boxes = np.tile(np.array([[5, 5, 15, 10], [0, 0, 0, 0]], np.float32), (count, 1, 1))
    scores = np.tile(np.array([0.75, 0], np.float32), (count, 1))
    labels = np.tile(np.array([2, 0], np.int32), (count, 1))
    return boxes, scores, labels, labels > 0, np.ones((count, 2, 28, 28), np.float32), scores


def test_results_in_order_without_fillers(make_batch):
    batches = [make_batch([3, 1]), make_batch([2, None])]
    results = list(predict_images(batches, one_object_each))
    assert [result.record.image_id for result in results] == [3, 1, 2]
    for result in results:
        assert (result.height, result.width) == (60, 80)
        np.testing.assert_array_equal(result.detections.boxes, [[10, 10, 30, 20]])
        (rle,) = result.rles
        bitmap = decode(rle)
        assert bitmap.shape == (60, 80)
        assert bitmap[10:20, 10:30].mean() > 0.98
        assert bitmap.sum() == bitmap[10:20, 10:30].sum()


def test_the_resize_is_undone(make_batch):
    first, second = predict_images([make_batch([3, 1])], one_object_each)
    assert [one.record.image_id for one in (first, second)] == [3, 1]
    assert first.detections.boxes.tolist() == [[10, 10, 30, 20]]
    assert first.detections.scores.tolist() == [0.75]
    assert first.detections.labels.tolist() == [2]


def test_a_box_only_detector(make_batch):
    (result,) = predict_images([make_batch([1])], lambda *batch: one_object_each(*batch)[:4])
    assert result.rles is None


def test_the_threshold_is_used(make_batch):
    def grey(images, image_sizes):
        *others, masks, scores = one_object_each(images, image_sizes)
        return (*others, masks * 0.4, scores)

    (above,) = predict_images([make_batch([1])], grey, mask_thresh=0.5)
    (below,) = predict_images([make_batch([1])], grey, mask_thresh=0.3)
    assert not decode(above.rles[0]).any()
    assert decode(below.rles[0]).any()


def test_no_batches():
    assert list(predict_images([], one_object_each)) == []


def test_the_host_works_while_the_device_computes_the_next_batch(make_batch, monkeypatch):
    """Pasting of batch 1 waits until batch 2 is being computed, and batch 2 waits until batch 1 is pasted."""
    computing, pasted = threading.Event(), threading.Event()
    original = module.encode_masks

    def encode(*arguments, **options):
        assert computing.wait(timeout=5), "batch 2 was not computed while batch 1 was post-processed"
        pasted.set()
        return original(*arguments, **options)

    calls = []

    def predict(images, image_sizes):
        calls.append(len(calls))
        if len(calls) == 2:
            computing.set()
            assert pasted.wait(timeout=5), "batch 1 was not post-processed while batch 2 was computed"
        return one_object_each(images, image_sizes)

    monkeypatch.setattr(module, "encode_masks", encode)
    results = predict_images([make_batch([1]), make_batch([2])], predict)
    assert [result.record.image_id for result in results] == [1, 2]


def test_an_error_of_the_host_side_surfaces(make_batch, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("paste failed")

    monkeypatch.setattr(module, "encode_masks", broken)
    with pytest.raises(RuntimeError, match="paste failed"):
        list(predict_images([make_batch([1])], one_object_each))


def test_progress_lines(make_batch, caplog):
    caplog.set_level(logging.INFO, logger=module.__name__)
    seconds = iter([0, 4, 8, 12, 16, 20, 20])
    results = predict_images([make_batch([number]) for number in range(5)], one_object_each)
    passed = list(with_progress(results, total=5, clock=lambda: next(seconds)))
    assert len(passed) == 5
    assert caplog.messages == ["3/5 images, 0.25 images/s, 0:00:08 left", "5 images in 0:00:20, 0.25 images/s"]
