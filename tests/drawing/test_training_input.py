"""Pictures of a training batch."""

import numpy as np
import pytest

from mindrcnn.data.batching.batch import Batch
from mindrcnn.drawing.palette import class_colour
from mindrcnn.drawing.training_input import STRIPES, VALID_EDGE, draw_batch, draw_input

SIDE, SLOTS, STORED = 512, 4, 16
NAMES = ("fig", "pear")


@pytest.fixture
def batch() -> Batch:
    """Two images of one colour; the first has an object whose mask is the left half of its box, and a crowd."""
    boxes = np.zeros((2, SLOTS, 4), np.float32)
    boxes[0, :2] = [[100, 120, 300, 320], [10, 330, 60, 380]]
    labels = np.zeros((2, SLOTS), np.int32)
    labels[0, :2] = [2, 1]
    masks = np.zeros((2, SLOTS, STORED, STORED), np.uint8)
    masks[0, 0, :, : STORED // 2] = 1
    crowd = np.zeros((2, SLOTS), bool)
    crowd[0, 1] = True
    images = np.zeros((2, 3, SIDE, SIDE), np.uint8)
    images[:, 0] = 200  # the first channel
    return Batch(images, np.array([[400, 350], [SIDE, SIDE]], np.int32), boxes, labels, (labels > 0) & ~crowd, crowd,
                 masks, (7, 8))  # fmt: skip


def test_masks_of_the_batch_are_pasted_into_their_boxes(batch: Batch) -> None:
    picture = draw_input(batch, 0, NAMES, channel_order="rgb", longest=1024)
    assert picture.shape == (SIDE, SIDE, 3)
    tinted = np.round(np.array([200, 0, 0]) * 0.55 + np.array(class_colour(2)) * 0.45)
    np.testing.assert_allclose(picture[220, 150], tinted, atol=1)
    np.testing.assert_array_equal(picture[220, 250], [200, 0, 0])  # the other half of the box


@pytest.mark.parametrize(("order", "colour"), [("rgb", [200, 0, 0]), ("bgr", [0, 0, 200])])
def test_colours_are_those_of_the_image(batch: Batch, order: str, colour: list[int]) -> None:
    np.testing.assert_array_equal(draw_input(batch, 1, NAMES, channel_order=order, longest=1024)[5, 5], colour)


@pytest.mark.parametrize("longest", [1024, 256])
def test_padding_is_striped_and_its_edge_drawn(batch: Batch, longest: int) -> None:
    picture = draw_input(batch, 0, NAMES, channel_order="rgb", longest=longest)
    factor = picture.shape[0] / SIDE
    assert max(picture.shape) == min(SIDE, longest)
    below = picture[int(405 * factor) :, : int(300 * factor)].reshape(-1, 3)
    assert {tuple(pixel) for pixel in below.tolist()} == set(STRIPES)
    assert tuple(picture[round(400 * factor), 3].tolist()) == VALID_EDGE
    assert not np.isin(draw_input(batch, 1, NAMES, channel_order="rgb", longest=longest)[:, :, 0], [70, 100]).any()


def test_a_model_without_masks_has_boxes(batch: Batch) -> None:
    boxes_only = Batch(**{**vars(batch), "gt_masks": np.zeros((2, SLOTS, 1, 1), np.uint8)})
    picture = draw_input(boxes_only, 0, NAMES, channel_order="rgb", longest=1024)
    np.testing.assert_array_equal(picture[220, 150], [200, 0, 0])
    assert (picture[220, 99:102] == class_colour(2)).all(axis=1).any()


def test_a_batch_is_a_grid_of_at_most_so_many_images(batch: Batch) -> None:
    both = draw_batch(batch, NAMES, channel_order="rgb")
    one = draw_batch(batch, NAMES, channel_order="rgb", most=1)
    assert one.shape[0] == both.shape[0] > SIDE  # a heading
    assert both.shape[1] > 2 * one.shape[1]
    three = Batch(**{name: value[[0, 1, 0]] if isinstance(value, np.ndarray) else (7, 8, 7) for name, value in
                     vars(batch).items()})  # fmt: skip
    assert draw_batch(three, NAMES, channel_order="rgb").shape[0] > 2 * one.shape[0]
