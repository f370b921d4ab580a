"""From padded network outputs to detections in original pixels."""

import numpy as np
import pytest

from mindrcnn.evaluation.postprocess import image_detections, undo_resize


@pytest.mark.parametrize("original", [(480, 640), (427, 640), (1000, 333), (97, 41)])
def test_undo_resize_is_the_inverse_of_resizing(original):
    height, width = original
    scale = 800 / min(original)
    valid = (round(height * scale), round(width * scale))  # each side is rounded by itself
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 1, (50, 2, 2)), axis=1) * (width, height)
    boxes = corners.reshape(50, 4)
    resized = boxes * np.array([valid[1] / width, valid[0] / height] * 2)
    np.testing.assert_allclose(undo_resize(resized.astype(np.float32), valid, original), boxes, atol=2e-4)


def test_undo_resize_clips_to_the_original_image():
    boxes = np.array([[-5, -8, 220, 130]], np.float32)
    np.testing.assert_array_equal(undo_resize(boxes, (100, 200), (50, 100)), [[0, 0, 100, 50]])


def test_undo_resize_of_nothing():
    assert undo_resize(np.zeros((0, 4), np.float32), (10, 10), (20, 20)).shape == (0, 4)


@pytest.fixture
def outputs():
    """Batch of two images, four slots; of the second image's, slot 1 is unused and slot 3 lies in the padding."""
    boxes = np.zeros((2, 4, 4), np.float32)
    boxes[1] = [[10, 10, 30, 20], [1, 2, 3, 4], [0, 0, 200, 100], [210, 10, 250, 20]]
    scores = np.array([[0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6]], np.float32)
    labels = np.array([[0, 0, 0, 0], [3, 1, 2, 1]], np.int32)
    valid = np.array([[False] * 4, [True, False, True, True]])
    masks = np.arange(2 * 4 * 4, dtype=np.float32).reshape(2, 4, 2, 2)
    return boxes, scores, labels, valid, masks


def test_only_used_slots_with_area_come_out(outputs):
    found = image_detections(outputs, 1, valid_size=(100, 200), original_size=(50, 400))
    np.testing.assert_array_equal(found.boxes, [[20, 5, 60, 10], [0, 0, 400, 50]])
    np.testing.assert_array_equal(found.labels, [3, 2])
    np.testing.assert_array_equal(found.scores, np.array([0.9, 0.7], np.float32))
    np.testing.assert_array_equal(found.masks, outputs[4][1, [0, 2]])
    assert found.mask_scores is None


def test_an_image_without_detections(outputs):
    assert len(image_detections(outputs, 0, valid_size=(100, 200), original_size=(50, 400))) == 0


def test_a_box_only_detector_has_no_masks(outputs):
    assert image_detections(outputs[:4], 1, valid_size=(100, 200), original_size=(50, 400)).masks is None


def test_mask_scores_that_repeat_the_scores_are_dropped(outputs):
    found = image_detections((*outputs, outputs[1].copy()), 1, valid_size=(100, 200), original_size=(50, 400))
    assert found.mask_scores is None
    assert found.iou_scores() is None


def test_mask_scores_give_the_predicted_iou(outputs):
    iou = np.array([0.5, 0.1, 0.25, 0.75], np.float32)
    found = image_detections((*outputs, outputs[1] * iou), 1, valid_size=(100, 200), original_size=(50, 400))
    np.testing.assert_allclose(found.iou_scores(), [0.5, 0.25], rtol=1e-6)


def test_the_predicted_iou_of_score_zero_is_zero(outputs):
    boxes, scores, *rest = outputs
    scores = np.zeros_like(scores)
    found = image_detections((boxes, scores, *rest, scores + 0.5), 1, valid_size=(100, 200), original_size=(50, 400))
    np.testing.assert_array_equal(found.iou_scores(), [0, 0])
