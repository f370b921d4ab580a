"""Simple copy-paste against a slow form on bitmaps of the whole picture."""

from array import array

import numpy as np
import pytest

from mindrcnn.data.masks import Polygons, run_lengths
from mindrcnn.data.transforms.affine import AxisAffine
from mindrcnn.data.transforms.copy_paste import Layer, copy_paste
from mindrcnn.data.transforms.geometric import cut_objects, flip
from mindrcnn.data.transforms.resize import resize
from mindrcnn.data.transforms.target import Target

HEIGHT, WIDTH = 48, 64


def stored(bitmap):
    ends = np.flatnonzero(np.diff(bitmap.T.reshape(-1), prepend=0, append=2))
    return run_lengths(*bitmap.shape, np.diff(ends, prepend=0))


def objects_of(bitmaps, crowd=()):
    boxes = []
    for bitmap in bitmaps:
        rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return Target(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.arange(1, len(bitmaps) + 1, dtype=np.int32),
        crowd=np.isin(np.arange(len(bitmaps)), crowd),
        segmentations=tuple(map(stored, bitmaps)),
        affine=AxisAffine(),
    )


def random_bitmaps(rng, count):
    """Returns bitmaps of ragged objects, some of which lie above others or touch the border."""
    bitmaps = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    for bitmap in bitmaps:
        height, width = rng.integers(2, 30, 2)
        top, left = rng.integers(0, HEIGHT - 1), rng.integers(0, WIDTH - 1)
        part = bitmap[top : top + height, left : left + width]
        part[:] = rng.random(part.shape) < 0.8
        part[0, 0] = 1
    return bitmaps


def slow_form(image, below, source, above):
    """Returns the picture, and the masks and boxes of what is left below, by mmdetection's and torchvision's code."""
    covered = above.any(axis=0) if len(above) else np.zeros((HEIGHT, WIDTH), bool)
    picture = np.where(covered[:, :, None], source, image)
    masks = below * ~covered
    kept = masks.any(axis=(1, 2))
    return picture, masks, kept


@pytest.mark.parametrize("seed", range(10))
def test_picture_masks_and_boxes_are_those_of_whole_bitmaps(seed):
    rng = np.random.default_rng(seed)
    image, source = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
    below, above = random_bitmaps(rng, 5), random_bitmaps(rng, 4)
    picture, target = copy_paste(image, objects_of(below), source, objects_of(above), np.random.default_rng(seed))
    chosen = chosen_by(seed, 4)
    wanted, masks, kept = slow_form(image, below, source, above[chosen])
    np.testing.assert_array_equal(picture, wanted)
    np.testing.assert_array_equal(target.labels, [*np.flatnonzero(kept) + 1, *chosen + 1])
    shown = [*masks[kept], *above[chosen]]
    np.testing.assert_allclose(target.boxes, objects_of(shown).boxes, atol=8 / 64)  # few cells in tiny objects
    for index, mask in enumerate(shown):
        x1, y1, x2, y2 = box = objects_of([mask]).boxes[0].astype(int)
        drawn = target.segmentations[index].draw(AxisAffine(), box, y2 - y1, x2 - x1)
        np.testing.assert_array_equal(drawn, mask[y1:y2, x1:x2])


def chosen_by(seed, count):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(count + 1))
    return np.sort(rng.choice(np.arange(count), number, replace=False)) if number else np.zeros(0, int)


def seed_that_pastes(count, wanted):
    return next(seed for seed in range(1000) if chosen_by(seed, count).tolist() == list(wanted))


def rectangle(x1, y1, x2, y2):
    bitmap = np.zeros((HEIGHT, WIDTH), np.uint8)
    bitmap[y1:y2, x1:x2] = 1
    return bitmap


@pytest.fixture
def pictures():
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)


def paste(pictures, below, above, **kinds):
    rng = np.random.default_rng(seed_that_pastes(len(above), range(len(above))))
    return copy_paste(pictures[0], objects_of(below, **kinds), pictures[1], objects_of(above), rng)


def test_a_box_shrinks_and_an_object_vanishes_and_the_others_stay(pictures):
    below = [rectangle(4, 4, 24, 14), rectangle(30, 10, 34, 14), rectangle(50, 40, 64, 48)]
    picture, target = paste(pictures, below, [rectangle(14, 0, 40, 20)])
    assert target.labels.tolist() == [1, 3, 1]
    assert target.boxes.tolist() == [[4, 4, 14, 14], [50, 40, 64, 48], [14, 0, 40, 20]]
    assert target.rasterise(14).all()
    assert (picture == 255).all(axis=2).sum() == 26 * 20
    assert not pictures[0].any()  # a copy


def test_the_box_of_an_object_with_a_hole_stays(pictures):
    _, target = paste(pictures, [rectangle(10, 10, 30, 30)], [rectangle(15, 15, 25, 25)])
    assert target.boxes[0].tolist() == [10, 10, 30, 30]
    mask = target.rasterise(20)[0]
    assert not mask[5:15, 5:15].any()
    assert mask.sum() == 400 - 100


def test_crowds_stay_and_are_not_pasted(pictures):
    crowd = [rectangle(0, 0, 20, 20)]
    _, target = paste(pictures, crowd, [rectangle(0, 0, 30, 30)], crowd=(0,))
    assert target.crowd.tolist() == [True, False]
    assert target.boxes[0].tolist() == [0, 0, 20, 20]
    source = objects_of(crowd, crowd=(0,))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert copy_paste(pictures[0], objects_of([]), pictures[1], source, rng)[0] is pictures[0]


def test_any_number_of_objects_is_pasted(pictures):
    above = [rectangle(8 * i, 0, 8 * i + 4, 4) for i in range(3)]
    counts = [
        len(copy_paste(pictures[0], objects_of([]), pictures[1], objects_of(above), np.random.default_rng(seed))[1])
        for seed in range(60)
    ]
    assert np.bincount(counts, minlength=4).min() > 6


def test_outlines_that_were_scaled_mirrored_and_cut(pictures):
    """Both images have maps of their own; the picture's pixels and the masks must agree."""
    diamond = Polygons((array("f", [40, 8, 72, 24, 40, 40, 8, 24]),))
    one = Target(
        boxes=np.array([[8, 8, 72, 40]], np.float32),
        labels=np.array([1], np.int32),
        crowd=np.array([False]),
        segmentations=(diamond,),
        affine=AxisAffine(),
    )
    image, target = resize(np.zeros((48, 80, 3), np.uint8), one, (HEIGHT, WIDTH))
    source, source_target = flip(np.full((48, 80, 3), 255, np.uint8), one)
    source_target = cut_objects(source_target, np.array([30.0, 0, 80, 48]))
    rng = np.random.default_rng(seed_that_pastes(1, [0]))
    picture, composed = copy_paste(image, target, source[:, 30:], source_target, rng)
    assert composed.labels.tolist() == [1, 1]
    white = (picture == 255).all(axis=2)
    whole = [0, 0, WIDTH, HEIGHT]
    below, above = (shape.draw(AxisAffine(), whole, HEIGHT, WIDTH) for shape in composed.segmentations)
    np.testing.assert_array_equal(white, above.astype(bool))
    np.testing.assert_array_equal(below, diamond.draw(target.affine, whole, HEIGHT, WIDTH) & ~above & 1)
    assert not white[:, 43:].any()
    np.testing.assert_allclose(composed.boxes[1], [0, 8, 42, 40])


def test_objects_cut_at_the_borders_of_a_resized_image_are_pasted():
    diamond = Polygons((array("f", [40, -8, 72, 24, 40, 56, 8, 24]),))
    one = Target(
        boxes=np.array([[8, -8, 72, 56]], np.float32),
        labels=np.array([1], np.int32),
        crowd=np.array([False]),
        segmentations=(diamond,),
        affine=AxisAffine(),
    )
    for height in range(30, 200):
        width = height + 7
        source, target = resize(np.full((48, 80, 3), 255, np.uint8), one, (height, width))
        left, top, right, bottom = window = [width // 3, height // 4, width // 2, height - 3]
        cut = cut_objects(target, np.array(window, dtype=np.float64))
        image = np.zeros((bottom - top, right - left, 3), np.uint8)
        rng = np.random.default_rng(seed_that_pastes(1, [0]))
        picture, composed = copy_paste(image, objects_of([]), source[top:bottom, left:right], cut, rng)
        drawn = composed.segmentations[0].draw(AxisAffine(), [0, 0, *image.shape[1::-1]], *image.shape[:2])
        np.testing.assert_array_equal((picture == 255).all(axis=2), drawn.astype(bool))


def test_stored_pixels_are_not_repeated_beyond_their_image():
    layer = Layer(stored(np.ones((4, 4), np.uint8)), AxisAffine(), np.array([0.0, 0, 4, 4]))
    assert layer.draw(AxisAffine(), [0, 0, 8, 8], 8, 8).sum() == 16


def test_an_object_without_a_pixel_is_not_pasted(pictures):
    speck = Target(
        boxes=np.array([[3.1, 3.1, 3.3, 3.3]], np.float32),
        labels=np.array([1], np.int32),
        crowd=np.array([False]),
        segmentations=(Polygons((array("f", [3.1, 3.1, 3.3, 3.1, 3.3, 3.3, 3.1, 3.3]),)),),
        affine=AxisAffine(),
    )
    rng = np.random.default_rng(seed_that_pastes(1, [0]))
    picture, target = copy_paste(pictures[0], objects_of([]), pictures[1], speck, rng)
    assert len(target) == 0
    assert not picture.any()
