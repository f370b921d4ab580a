"""Resize, flip, expand, crop, photometric jitter, and their composition."""

from array import array
from dataclasses import replace

import numpy as np
import pytest

from mindrcnn.data.masks import Polygons, run_lengths
from mindrcnn.data.transforms.affine import AxisAffine
from mindrcnn.data.transforms.augment import Augment, image_rng
from mindrcnn.data.transforms.geometric import crop, cut_objects, expand, flip
from mindrcnn.data.transforms.photometric import jitter_colours
from mindrcnn.data.transforms.resize import fitted_size, resize, resize_image
from mindrcnn.data.transforms.target import Target


def outline(*numbers):
    return Polygons((array("f", numbers),))


@pytest.fixture
def image():
    return np.random.default_rng(3).integers(0, 256, (60, 90, 3), np.uint8)


@pytest.fixture
def target():
    """A triangle, a square with only a box, an L-shaped bitmap and a crowd, in a 60 x 90 image."""
    bitmap = np.zeros((60, 90), np.uint8)
    bitmap[40:60, 60:65] = 1
    bitmap[55:60, 60:90] = 1
    flat = bitmap.T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat, prepend=0, append=2))
    return Target(
        boxes=np.array([[10, 10, 50, 30], [5.5, 35.25, 20, 50], [60, 40, 90, 60], [0, 0, 30, 30]], np.float32),
        labels=np.array([1, 2, 3, 4], np.int32),
        crowd=np.array([False, False, False, True]),
        segmentations=(
            outline(10, 10, 50, 10, 50, 30),
            None,
            run_lengths(60, 90, np.diff(ends, prepend=0)),
            run_lengths(60, 90, [0, 5400]),
        ),
        affine=AxisAffine(),
    )


def empty_target():
    return Target(
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        crowd=np.zeros(0, bool),
        segmentations=(),
        affine=AxisAffine(),
    )


def marked(boxes, height, width):
    """Returns an image that is white inside the boxes."""
    picture = np.zeros((height, width, 3), np.uint8)
    for x1, y1, x2, y2 in boxes.round().astype(int):
        picture[y1:y2, x1:x2] = 255
    return picture


@pytest.mark.parametrize(
    ("size", "short_side", "bucket", "wanted"),
    [
        ((480, 640), 800, (800, 1344), (800, 1067)),
        ((480, 640), 800, (1344, 800), (600, 800)),  # the width limits
        ((300, 900), 800, (800, 1344), (448, 1344)),
        ((1000, 500), 800, (1344, 800), (1344, 672)),
        ((480, 640), 256, (800, 1344), (256, 341)),
        ((1, 5000), 800, (800, 1344), (1, 1344)),
        ((800, 1344), 800, (800, 1344), (800, 1344)),
    ],
)
def test_fitted_size(size, short_side, bucket, wanted):
    assert fitted_size(*size, short_side=short_side, bucket=bucket) == wanted


def test_fitted_size_never_leaves_the_bucket():
    rng = np.random.default_rng(0)
    for height, width in rng.integers(1, 3000, (300, 2)):
        fitted = fitted_size(int(height), int(width), short_side=800, bucket=(800, 1344))
        assert 1 <= fitted[0] <= 800
        assert 1 <= fitted[1] <= 1344


def test_resize_and_undo_gives_the_boxes_back(image, target):
    resized, moved = resize(image, target, (133, 200))
    assert resized.shape == (133, 200, 3)
    back = moved.boxes * np.array([90 / 200, 60 / 133] * 2)
    np.testing.assert_allclose(back, target.boxes, atol=1e-4)
    assert (moved.boxes[0] != target.boxes[0]).all()


def test_resize_moves_pixels_as_boxes():
    boxes = np.array([[20, 10, 40, 50]], np.float32)
    half = resize_image(marked(boxes, 60, 90), (120, 45))[..., 0]
    rows, columns = np.nonzero(half > 127)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (10, 20, 20, 100)


def test_shrinking_a_lot_averages_all_pixels():
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, ::4] = 255
    small = resize_image(stripes, (20, 20))
    assert abs(small.astype(int) - 64).max() <= 1


def test_shrinking_a_little_reads_the_nearest_pixels():
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, 1::4] = 200
    small = resize_image(stripes, (60, 60))
    # the middles of the first new columns lie at 1/6, 1.5 and 2 5/6 of the old; an average would begin with 50
    np.testing.assert_allclose(small[0, :3, 0], [200 / 6, 100, 0], atol=1)


def test_flip_twice_is_the_identity(image, target):
    once, moved = flip(image, target)
    np.testing.assert_array_equal(once, image[:, ::-1])
    assert moved.boxes[0].tolist() == [40, 10, 80, 30]
    again, back = flip(once, moved)
    np.testing.assert_array_equal(again, image)
    np.testing.assert_array_equal(back.boxes, target.boxes)
    assert back.affine == target.affine
    np.testing.assert_array_equal(back.rasterise(28), target.rasterise(28))


def test_flip_mirrors_the_masks(image, target):
    masks, mirrored = target.rasterise(56), flip(image, target)[1].rasterise(56)
    assert (mirrored != masks[:, :, ::-1]).mean() < 0.01
    assert (mirrored[2] != masks[2]).any()


def test_target_of_another_image_is_not_touched(image, target):
    before = [target.boxes.copy(), image.copy()]
    rng = np.random.default_rng(0)
    flip(image, target)
    expand(image, target, rng, max_ratio=2, fill=(0, 0, 0))
    crop(image, target, rng, min_scale=0.3)
    jitter_colours(image, rng)
    np.testing.assert_array_equal(target.boxes, before[0])
    np.testing.assert_array_equal(image, before[1])


def test_masks_of_crowds_and_of_boxes_are_zero(target):
    masks = target.rasterise(28)
    assert [bool(mask.any()) for mask in masks] == [True, False, True, False]


def test_expand_keeps_pixels_under_boxes(target):
    picture = marked(target.boxes[:1], 60, 90)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        canvas, moved = expand(picture, target, rng, max_ratio=3.0, fill=(9.0, 100.4, 200.6))
        assert 60 <= canvas.shape[0] <= 180
        x1, y1, x2, y2 = moved.boxes[0].astype(int)
        assert (canvas[y1:y2, x1:x2] == 255).all()
        assert (canvas == 255).all(axis=2).sum() == 800
        if canvas.shape[0] > 60:
            corners = canvas[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()
            assert [9, 100, 201] in corners
        np.testing.assert_array_equal(moved.rasterise(28), target.rasterise(28))


def test_cut_tightens_boxes_to_what_is_visible(target):
    cut = cut_objects(target, np.array([0.0, 0, 70, 50]))
    assert cut.labels.tolist() == [1, 2, 3, 4]
    assert cut.boxes[0].tolist() == [10, 10, 50, 30]
    assert cut.boxes[2].tolist() == [60, 40, 65, 50]  # only the upright bar of the L; its box alone would reach to 70
    assert cut.rasterise(28)[2].all()
    cut = cut_objects(target, np.array([30.0, 5, 90, 54]))
    assert cut.labels.tolist() == [1, 3]  # the square lies outside, of the crowd nothing is left
    np.testing.assert_allclose(cut.boxes[0], [0, 5, 20, 25])
    mask = cut.rasterise(112)[0]  # the wider half of the triangle: its hypotenuse enters half-way down the left side
    assert mask[:55, 0].all()
    assert not mask[57:, 0].any()
    assert mask.mean() == pytest.approx(0.75, abs=0.01)


def test_cut_drops_an_object_whose_box_is_visible_but_not_its_mask(target):
    cut = cut_objects(target, np.array([66.0, 35, 90, 54]))  # inside the L
    assert cut.labels.tolist() == []


def test_cut_boxes_of_resized_images_lie_in_the_window_to_the_last_digit(image, target):
    for seed in range(300):
        rng = np.random.default_rng(seed)
        resized, moved = resize(image, target, tuple(rng.integers(40, 200, 2).tolist()))
        height, width = resized.shape[:2]
        left, top = rng.integers(0, width // 2), rng.integers(0, height // 2)
        cut = cut_objects(moved, np.array([left, top, width - 5, height - 5], dtype=np.float64))
        assert (cut.boxes >= 0).all()
        assert (cut.boxes <= [width - 5 - left, height - 5 - top] * 2).all()


def test_crop_keeps_an_object_and_its_pixels(image, target):
    sizes = set()
    for seed in range(200):
        cropped, cut = crop(image, target, np.random.default_rng(seed), min_scale=0.2)
        height, width = cropped.shape[:2]
        sizes.add((height, width))
        assert not cut.crowd.all()
        assert 12 <= height <= 60
        assert 18 <= width <= 90
        assert (cut.boxes >= 0).all()
        assert (cut.boxes <= [width, height, width, height]).all()
        assert (cut.boxes[:, 2:] - cut.boxes[:, :2] >= 1).all()
        left, top = round(-cut.affine.shift_x), round(-cut.affine.shift_y)
        np.testing.assert_array_equal(cropped, image[top : top + height, left : left + width])
    assert len(sizes) > 100


def test_crop_holds_the_centre_of_the_chosen_object(image, target):
    square = target.select(np.array([1]))
    for seed in range(200):
        cropped, cut = crop(image, square, np.random.default_rng(seed), min_scale=0.1)
        assert cropped.shape != image.shape  # it is never given up
        x, y = 12.75 + cut.affine.shift_x, 42.625 + cut.affine.shift_y
        assert 0 <= x <= cropped.shape[1]
        assert 0 <= y <= cropped.shape[0]


def test_crop_of_a_fixed_size(image, target):
    for seed in range(50):
        cropped, cut = crop(image, target, np.random.default_rng(seed), min_scale=1.0, size=(20, 400))
        assert cropped.shape[:2] == (20, 90)  # the image is 60 x 90
        assert not cut.crowd.all()
        top = round(-cut.affine.shift_y)
        np.testing.assert_array_equal(cropped, image[top : top + 20])


def test_without_its_ratio_of_sides_an_image_fills_the_bucket(image, target):
    stretched = Augment(keep_ratio=False)
    resized, moved = stretched(image, target, np.random.default_rng(0), short_side=30, bucket=(120, 45))
    assert resized.shape == (120, 45, 3)
    np.testing.assert_allclose(moved.boxes, target.boxes * [0.5, 2, 0.5, 2], rtol=1e-6)


def test_crop_of_an_image_without_objects(image):
    cropped, cut = crop(image, empty_target(), np.random.default_rng(0), min_scale=0.3)
    assert cropped.size < image.size
    assert len(cut) == 0
    assert cut.rasterise(28).shape == (0, 28, 28)


def test_windows_of_one_size_lie_inside_an_image_without_objects(image):
    cropped = [crop(image, empty_target(), np.random.default_rng(n), min_scale=1, size=(20, 30))[0] for n in range(30)]
    assert {window.shape for window in cropped} == {(20, 30, 3)}
    assert len({window.tobytes() for window in cropped}) > 20


def test_the_smallest_window_is_a_pixel():
    dot = np.zeros((1, 1, 3), np.uint8)
    assert crop(dot, empty_target(), np.random.default_rng(0), min_scale=0.1)[0].shape == (1, 1, 3)


def test_crop_leaves_an_image_whose_object_would_vanish(image):
    ring = np.zeros((60, 90), np.uint8)
    ring[0, :] = ring[-1, :] = ring[:, 0] = ring[:, -1] = 1
    ends = np.flatnonzero(np.diff(ring.T.reshape(-1), prepend=0, append=2))
    frame_only = replace(
        empty_target(),
        boxes=np.array([[0, 0, 90, 60]], np.float32),
        labels=np.array([1], np.int32),
        crowd=np.array([False]),
        segmentations=(run_lengths(60, 90, np.diff(ends, prepend=0)),),
    )
    unchanged = 0
    for seed in range(40):
        cropped, cut = crop(image, frame_only, np.random.default_rng(seed), min_scale=0.1)
        assert len(cut) == 1
        unchanged += cropped.shape == image.shape
    assert 0 < unchanged < 40


def test_photometric_changes_colours_within_limits():
    grey = np.full((8, 8, 3), 100, np.uint8)
    means = [jitter_colours(grey, np.random.default_rng(seed)).mean() for seed in range(200)]
    assert min(means) >= (100 - 32) * 0.5 - 1
    assert max(means) <= (100 + 32) * 1.5 + 1
    assert np.std(means) > 10
    coloured = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    ratios = [jitter_colours(coloured, np.random.default_rng(seed))[0, 0] / 100 for seed in range(50)]
    assert np.std([ratio[0] / max(ratio[2], 0.01) for ratio in ratios]) > 0.3  # colours, not brightness alone
    same = [np.array_equal(jitter_colours(coloured, np.random.default_rng(seed)), coloured) for seed in range(200)]
    assert 1 <= sum(same) <= 40  # 1/16 of them change nothing


class Draws:
    """Draws one colour change alone: brightness, contrast, saturation or hue."""

    def __init__(self, change: int, value: float) -> None:
        self.answers = iter([0.0 if number == change else 1.0 for number in range(5)])
        self.value = value

    def random(self) -> float:
        return next(self.answers)

    def uniform(self, low: float, high: float) -> float:
        return self.value


@pytest.mark.parametrize(
    ("change", "value", "wanted"),
    [
        (2, 1.5, (200, 62, 62)),  # three quarters as grey
        (2, 0.5, (200, 154, 154)),
        (3, 18.0, (200, 138, 108)),  # 18 degrees from red towards yellow
        (4, 0.0, (200, 108, 108)),
    ],
)
def test_saturation_and_hue(change, value, wanted):
    red = np.full((2, 2, 3), (200, 108, 108), np.uint8)
    np.testing.assert_allclose(jitter_colours(red, Draws(change, value))[0, 0], wanted, atol=2)


def test_brightness_ends_at_black_and_white():
    levels = np.array([[[0, 10, 30], [220, 230, 255]]], np.uint8)
    np.testing.assert_array_equal(jitter_colours(levels, Draws(0, -20.0)), [[[0, 0, 10], [200, 210, 235]]])
    np.testing.assert_array_equal(jitter_colours(levels, Draws(0, 30.0)), [[[30, 40, 60], [250, 255, 255]]])


def test_each_use_of_an_image_in_an_epoch_has_its_own_draws():
    draws = [image_rng(0, 1, 2, repeat).random() for repeat in range(4)]
    assert len(set(draws)) == 4


ALL = Augment(
    flip_prob=0.5, short_sides=(40, 64, 80), photometric_prob=0.5, expand_prob=0.5, crop_prob=0.5, crop_min_scale=0.3
)


def test_augment_is_a_function_of_seed_epoch_and_image(image, target):
    def once(*key):
        return ALL(image, target, image_rng(*key), short_side=64, bucket=(96, 128))

    for key in ((0, 0, 5), (7, 3, 12345678901), (1, 2, -4)):
        first, second = once(*key), once(*key)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1].boxes, second[1].boxes)
    outcomes = {once(*key)[0].tobytes() for key in ((0, 0, 5), (1, 0, 5), (0, 1, 5), (0, 0, 6))}
    assert len(outcomes) == 4


def test_augmented_boxes_lie_in_the_image_and_hold_their_masks(image, target):
    for seed in range(100):
        picture, moved = ALL(image, target, image_rng(seed, 0, 1), short_side=64, bucket=(96, 128))
        height, width = picture.shape[:2]
        assert height <= 96
        assert width <= 128
        assert (moved.boxes >= -1e-3).all()
        assert (moved.boxes <= np.array([width, height, width, height]) + 1e-3).all()
        for label, mask in zip(moved.labels, moved.rasterise(28), strict=True):
            if label in (1, 3):
                # a tip of the triangle can be thinner than a bin, so the outermost line of bins may miss it
                assert mask[:2].any()
                assert mask[-2:].any()
                assert mask[:, :2].any()
                assert mask[:, -2:].any()


def test_without_probabilities_only_resize(image, target):
    picture, moved = Augment()(image, target, image_rng(0, 0, 0), short_side=120, bucket=(128, 192))
    np.testing.assert_array_equal(picture, resize_image(image, (120, 180)))
    np.testing.assert_allclose(moved.boxes, target.boxes * 2)


def test_multi_scale_draws_every_side(image, target):
    augment = Augment(short_sides=(40, 64, 80))
    drawn = [augment(image, target, image_rng(seed, 0, 0), short_side=1, bucket=(96, 128))[0] for seed in range(30)]
    assert {picture.shape[0] for picture in drawn} == {40, 64, 80}
