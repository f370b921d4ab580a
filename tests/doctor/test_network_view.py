"""What the doctor says of a configuration: sizes at the input, anchors, proposals, and what is there twice."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tool_exports
from PIL import Image

from mindrcnn.config.data import DataConfig
from mindrcnn.config.model import AnchorConfig, ModelConfig
from mindrcnn.config.run import Config
from mindrcnn.data.batching.buckets import assign_buckets
from mindrcnn.data.survey import Survey
from mindrcnn.doctor import anchor_fit
from mindrcnn.doctor.anchor_fit import STRIDES, best_ious, propose_anchors
from mindrcnn.doctor.input_sizes import input_sizes, propose_inputs
from mindrcnn.doctor.network_view import network_view, view_text
from mindrcnn.doctor.similar import MOST_DIFFERENT, NO_HASH, TWICE, annotated_twice, hash_image, near_duplicates
from mindrcnn.models.rpn import grid_anchors
from mindrcnn.programs.doctor import main


def survey(sizes, boxes, image=None, labels=None, classes=("a", "b")):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    image = np.zeros(len(boxes), np.int64) if image is None else np.asarray(image, np.int64)
    return Survey(
        source=Path("s.json"),
        names=[f"{number}.png" for number in range(len(sizes))],
        sizes=np.asarray(sizes, np.int32),
        image=image,
        boxes=boxes,
        labels=np.ones(len(boxes), np.int64) if labels is None else np.asarray(labels, np.int64),
        crowd=np.zeros(len(boxes), bool),
        classes=classes,
        category_ids=(1, 2),
    )


def pairwise_iou(first, second):
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    areas = [(one[:, 2:] - one[:, :2]).prod(axis=1) for one in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


def test_best_anchors_are_those_of_the_network(monkeypatch):
    rng = np.random.default_rng(1)
    corner, side = rng.uniform(20, 130, (40, 2)), rng.uniform(6, 110, (40, 2))
    boxes = np.concatenate([corner, corner + side], axis=1)
    sizes, ratios = (16.0, 32.0, 64.0, 96.0, 128.0), (0.5, 1.0, 2.0)
    cells = tuple((256 // stride + 1, 256 // stride + 1) for stride in STRIDES)
    anchors = grid_anchors(cells, STRIDES, sizes, ratios, False).astype(np.float64)
    # the nearest cell is the best one unless the anchor is much larger than the object
    found = best_ious(boxes, sizes, ratios)
    np.testing.assert_allclose(found, pairwise_iou(boxes, anchors).max(axis=1), atol=1e-5)
    monkeypatch.setattr(anchor_fit, "BLOCK", 7)
    np.testing.assert_array_equal(best_ious(boxes, sizes, ratios), found)


def test_anchors_are_proposed_for_objects_that_have_none():
    rng = np.random.default_rng(2)
    corner = rng.uniform(0, 1000, (500, 2))
    small = np.concatenate([corner, corner + rng.uniform(10, 18, (500, 1))], axis=1)
    usual = AnchorConfig()
    sizes, ratios = propose_anchors(small, usual.sizes, usual.aspect_ratios, threshold=0.7)
    assert sizes[0] in (8, 12, 16)
    now = (best_ious(small, usual.sizes, usual.aspect_ratios) >= 0.7).mean()
    assert (best_ious(small, sizes, ratios) >= 0.7).mean() > now + 0.05
    assert propose_anchors(small, sizes, ratios, threshold=0.7) is None
    assert propose_anchors(small[:0], sizes, ratios, threshold=0.7) is None


def test_sizes_at_the_input_are_those_of_the_buckets():
    seen = input_sizes(
        survey([(1024, 1280), (1000, 3000)], [[0, 0, 24, 24], [0, 0, 24, 24]], [0, 1]), [(800, 1344)], 800
    )
    assert seen.scale[:, 0] == pytest.approx([800 / 1024, 1344 / 3000])
    np.testing.assert_array_equal(seen.scale[:, 0], seen.scale[:, 1])
    assert seen.sides == pytest.approx([18.75, 24 * 0.448])
    assert seen.limited == 1  # the bucket, not short_side, makes the wide image small
    used = 800 * 1000 + 448 * 1344
    assert seen.padding == pytest.approx(1 - used / (2 * 800 * 1344))
    assert seen.share_below(16) == 0.5


def test_images_are_stretched_to_their_bucket_as_training_does():
    """And the input is padded to the stride of the network."""
    one = survey([(100, 200)], [[0, 0, 20, 10]])
    seen = input_sizes(one, [(50, 70)], 800, keep_ratio=False)
    assert seen.boxes.tolist() == [[0, 0, 7, 5]]
    assert seen.limited == 0
    assert seen.padding == pytest.approx(1 - 50 * 70 / (64 * 96))
    config = Config(data=DataConfig(root="x", buckets=((50, 70),), keep_ratio=False))
    view = network_view(one, config)
    assert view["scale"] == [round((0.35 * 0.5) ** 0.5, 3)] * 3
    assert not any("short_side" in line for line in view_text(view, config))


def test_buckets_are_proposed_for_images_that_fit_none():
    one = survey([(500, 1500)] * 20, [[0, 0, 90, 90]] * 20, range(20))
    usual = DataConfig()
    short_side, buckets, then = propose_inputs(one, usual.buckets, usual.short_side)
    assert short_side == 800
    assert len(buckets) == 1
    assert then.padding < 0.05 < input_sizes(one, usual.buckets, usual.short_side).padding
    assert all(side % 32 == 0 for bucket in buckets for side in bucket)
    assert propose_inputs(one, buckets, short_side) is None
    assert buckets[0][0] * buckets[0][1] <= 1.1 * 800 * 1344


def test_a_larger_input_is_proposed_for_tiny_objects():
    one = survey([(1000, 1000)] * 5, [[0, 0, 8, 8]] * 5, range(5))
    short_side, buckets, then = propose_inputs(one, ((512, 512),), 512)
    assert short_side > 900
    assert then.share_below(8) == 0
    assert assign_buckets([(1000, 1000)], buckets=buckets, short_side=short_side).tolist() == [0]


def test_a_smaller_input_is_proposed_for_images_that_are_enlarged_many_times():
    def small(side):
        return survey([(100, 130)] * 5, [[0, 0, side, side]] * 5, range(5))

    usual = DataConfig()
    short_side, buckets, then = propose_inputs(small(20), usual.buckets, usual.short_side)
    assert (short_side, buckets) == (224, ((224, 320),))
    assert np.nanmedian(then.scale) == pytest.approx(2.24)
    assert propose_inputs(small(3), usual.buckets, usual.short_side)[0] == 800  # 7 pixels would be too few
    assert propose_inputs(survey([(220, 280)], [[0, 0, 20, 20]]), usual.buckets, 800)[0] == 800
    config = Config(data=DataConfig(root="x"), model=ModelConfig())
    text = "\n".join(view_text(network_view(small(20), config), config))
    assert "  short_side: 224  # images enlarged 8.0 -> 2.2 times, which shows as much in less time\n" in text


def test_the_view_names_what_does_not_fit():
    config = Config(
        data=DataConfig(root="x", max_objects=3, buckets=((256, 256),), short_side=256),
        model=ModelConfig(),
    )
    boxes = [[index, 0, index + 20, 20] for index in range(40)] + [[0, 0, 200, 200]]
    one = survey([(1024, 1280)], boxes, labels=[1] * 40 + [2])
    view = network_view(one, config)
    assert view["objects_beyond_max_objects"] == 38
    assert view["share_under_8"] == pytest.approx(40 / 41)
    assert view["class_imbalance"] == 40
    assert view["rare_classes"] == {"b": 1}
    text = "\n".join(view_text(view, config))
    for part in (
        "97.6% under 8",
        "1 images are smaller than data.short_side 256 asks for",
        "38 objects are beyond the 3 of an image",
        "40.0 times the objects of the rarest",
        "1 classes have fewer than 20 objects: b 1",
        "PROPOSAL, to paste",
        "short_side: ",
        "    sizes: [",
    ):
        assert part in text
    nothing = network_view(survey(np.zeros((0, 2)), []), config)
    assert nothing["proposal"] == []
    assert view_text(nothing, config)
    json.dumps(nothing)


def test_near_duplicates():
    rng = np.random.default_rng(3)
    pictures = [np.kron(rng.integers(0, 255, (9, 9, 3)), np.ones((20, 20, 1))).astype(np.uint8) for _ in range(6)]
    again = np.clip(pictures[4][2:, 3:].astype(int) + 5, 0, 255).astype(np.uint8)
    flat = np.full((50, 50, 3), 90, np.uint8)
    assert hash_image(flat) is NO_HASH
    first = [hash_image(one) for one in [flat, *pictures]]
    second = [hash_image(one) for one in (flat, again, np.rot90(pictures[0]).copy())]
    assert list(near_duplicates(first, second)) == [(5, 1)]
    assert list(near_duplicates([NO_HASH], second)) == []


@pytest.mark.parametrize("size", [(427, 640), (333, 201), (145, 900)])
def test_a_smaller_copy_is_almost_the_same(size):
    rng = np.random.default_rng(6)
    coarse = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    copy = cv2.resize(picture, None, fx=0.63, fy=0.63, interpolation=cv2.INTER_AREA)
    assert list(near_duplicates([hash_image(picture)], [hash_image(copy)])) == [(0, 0)]
    assert np.unpackbits(hash_image(picture) ^ hash_image(copy)).sum() <= MOST_DIFFERENT // 2


def test_objects_that_are_annotated_twice():
    boxes = [[10, 10, 50, 50], [10.5, 10, 50, 50], [10, 10, 50, 50], [10, 10, 50, 50], [12, 40, 60, 90]]
    one = survey([(100, 100)] * 2, boxes, image=[0, 0, 0, 1, 1], labels=[1, 1, 2, 1, 1])
    assert list(annotated_twice(one)) == [(0, 1)]


def test_every_pair_of_an_image_is_found_and_none_across_images():
    rng = np.random.default_rng(5)
    corners = rng.integers(0, 3, (300, 2)) * 20 + rng.uniform(0, 2, (300, 2))
    boxes = np.concatenate([corners, corners + 40], axis=1).astype(np.float32)
    image, labels = np.sort(rng.integers(0, 6, 300)), rng.integers(1, 3, 300)
    one = survey([(100, 100)] * 7, boxes, image=image, labels=labels)
    alike = (pairwise_iou(boxes, boxes) >= TWICE) & (image[:, None] == image) & (labels[:, None] == labels)
    found = list(annotated_twice(one))
    assert sorted(map(sorted, found)) == np.argwhere(np.triu(alike, 1)).tolist()
    assert [image[first] for first, _ in found] == sorted(image[first] for first, _ in found)


def test_the_program_names_format_folder_and_both_kinds_of_repeats(tmp_path, capsys):
    tool_exports.yolo(tmp_path / "set")
    labels = tmp_path / "set/labels/train/b.txt"
    labels.write_text(labels.read_text() * 2)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 30, 3), dtype=np.uint8))
    picture.save(tmp_path / "set/images/train/b.png")
    (tmp_path / "set/images/val").mkdir()
    (tmp_path / "set/labels/val").mkdir()
    picture.save(tmp_path / "set/images/val/z.png")
    (tmp_path / "set/labels/val/z.txt").write_text("0 0.5 0.5 0.2 0.2")
    config = tmp_path / "c.yaml"
    config.write_text(f"data: {{root: {tmp_path}/set, train: {{name: train}}, val: {{name: val}}}}\n")
    report = tmp_path / "r.json"
    assert main([str(config), "--json", str(report), "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert f"data.root is {tmp_path}/set\ndata.train is YOLO labels with data.yaml, images in {tmp_path}/set" in text
    found = json.loads(report.read_text())
    assert found["format"] == "yolo"
    assert found["warnings"]["twice"]["examples"] == [
        "images/train/b.png: pear at x1, y1, x2, y2 = 5.0, 10.0, 25.0, 40.0"
    ]
    assert found["warnings"]["near_duplicates"]["examples"] == ["images/train/b.png: images/val/z.png of val"]
    assert "WHAT THE NETWORK GETS" in text
