"""Polygons and run lengths of files that anybody may have written."""

import json

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mindrcnn.data import masks
from mindrcnn.data.formats.coco.segmentation import parse_segmentation
from mindrcnn.data.masks import MAX_COUNTS, clip_outline, draw_outlines, encode_outlines, run_lengths
from mindrcnn.data.transforms.affine import AxisAffine
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth

FAR = [[10.0, 10, 1e9, 10, 1e9, 1e9, 10, 1e9]]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[3.5e38, 1, 2, 30, 40, 50]], "finite as 32-bit numbers"),
        ([[-1e300, 1e300, 2, 30, 40, 50]], "finite as 32-bit numbers"),
        ([[float("inf"), 1, 2, 30, 40, 50]], "finite as 32-bit numbers"),
        ([[float("nan"), 1, 2, 30, 40, 50]], "finite as 32-bit numbers"),
        ([[10**400, 1, 2, 30, 40, 50]], "finite as 32-bit numbers"),
        (["abcdefgh"], "polygons of numbers"),
        ([[[1, 2], [3, 4], [5, 6]]], "polygons of numbers"),
        ([None], "polygons of numbers"),
        (5, "got neither"),
        ({"foo": 1}, "got neither"),
        ({"size": [64.0, 64.0], "counts": [4096]}, "RLE size"),
        ({"size": [2**32 + 64, 64], "counts": [(2**32 + 64) * 64]}, "RLE size"),
        ({"size": [2**31 - 1, 2**31 - 1], "counts": [(2**31 - 1) ** 2]}, "RLE size"),
        ({"size": [-64, -64], "counts": [4096]}, "RLE size"),
        ({"size": ["64", "64"], "counts": [4096]}, "RLE size"),
        ({"size": {"a": 1, "b": 2}, "counts": [4096]}, "RLE size"),
        ({"size": None, "counts": "a"}, "RLE size"),
        ({"size": [64, 64], "counts": [-5, 4101]}, "at least 0"),
        ({"size": [64, 64], "counts": [2**63, 2**63, 4096]}, "at least 0"),
        ({"size": [64, 64], "counts": [10**400]}, "at least 0"),
        ({"size": [64, 64], "counts": [2**62, 2**62, 4096]}, "sum to"),
        ({"size": [64, 64], "counts": ["x" * 100_000] + [0] * 1000}, "at least 0"),
        ({"size": [64, 64], "counts": [[1], 2]}, "at least 0"),
        ({"size": [64, 64], "counts": {"a": 1}}, "at least 0"),
        ({"size": [64, 64], "counts": "é€"}, "counts"),
        ({"size": [64, 64], "counts": "0" * (MAX_COUNTS + 1)}, "compressed counts of up to"),
    ],
)
def test_a_bad_segmentation_is_named(segmentation: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"segmentation: .*{message}"):
        parse_segmentation(segmentation)


@pytest.mark.parametrize("counts", [[0, 4096], [100, 50, 3946], np.array([4096], dtype=np.uint32)])
def test_good_run_lengths(counts: object) -> None:
    assert run_lengths(64, 64, counts).runs.sum() == 4096


def test_far_corners_are_clipped_in_both_frames() -> None:
    mask = parse_segmentation(FAR)
    assert mask is not None
    assert mask.rasterise(AxisAffine(), [0, 0, 20, 20], 20)[10:, 10:].all()
    rle = encode_outlines([np.reshape(FAR[0], (-1, 2))], 40, 60)
    assert mask_api.decode(rle)[10:, 10:].all()
    assert mask_api.area(rle) == 30 * 50


def test_a_polygon_near_the_image_is_what_pycocotools_draws() -> None:
    outline = [-3.2, 5.1, 70.4, -8.0, 33.3, 51.7]
    ours = encode_outlines([np.reshape(outline, (-1, 2))], 40, 60)
    (theirs,) = mask_api.frPyObjects([outline], 40, 60)
    assert ours["counts"] == theirs["counts"]


def test_a_polygon_beyond_the_image_is_empty() -> None:
    rle = encode_outlines([np.array([[1e8, 1e8], [2e8, 1e8], [2e8, 2e8]])], 40, 60)
    assert mask_api.area(rle) == 0


def zigzag(corners: int, height: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.uniform(0, height, corners), np.arange(corners) % 2 * height], axis=1)


def test_a_polygon_of_many_corners_is_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    star = zigzag(301, 50.0)
    whole = draw_outlines([star], 50, 50)
    monkeypatch.setattr(masks, "MAX_OUTLINE", 9 * 50 * 12)
    assert (draw_outlines([star], 50, 50) == whole).all()
    assert 0 < whole.sum() < whole.size


def test_an_outline_beyond_all_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match="outlines of up to 5000000 pixels"):
        encode_outlines([zigzag(2000, 10_000.0)], 10_000, 10_000)


def test_what_is_inside_is_not_clipped() -> None:
    points = np.array([[1.0, 1], [5, 1], [5, 5]])
    assert clip_outline(points, np.array([0, 0, 6, 6])) is points


def truth(**changes: object) -> dict[str, object]:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 20], "segmentation": FAR, **changes}
    return {
        "images": [{"id": 1, "height": 40, "width": 60}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [annotation],
    }


@pytest.mark.parametrize("width", [1e9, 1e300, 1e4])
def test_a_wide_crowd_covers_the_image(width: float) -> None:
    (one,) = load_ground_truth(truth(iscrowd=1, segmentation=[], bbox=[10, 10, width, width])).annotations
    assert mask_api.area(one["segmentation"]) == 30 * 50


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segmentation": [[1e39, 1, 2, 3, 4, 5]]}, "finite as 32-bit"),
        ({"segmentation": {"size": [40, 61], "counts": [40 * 61]}}, "height and width"),
        ({"category_id": [1]}, "category_id"),
        ({"image_id": {}}, "image_id"),
        ({"bbox": [10**400, 1, 1, 1]}, "bbox: wanted four finite numbers"),
        ({"bbox": ["1", "2", "3", "4"]}, "bbox: wanted four finite numbers"),
        ({"iscrowd": [1]}, "iscrowd"),
        ({"area": "12"}, "area"),
        ({"area": 10**400}, "area"),
    ],
)
def test_a_wrong_annotation_is_named_in_evaluation(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=rf"ground truth: annotation id 1.*: .*{message}"):
        load_ground_truth(json.loads(json.dumps(truth(**changes))))


@pytest.mark.parametrize(("table", "kind"), [("images", "image"), ("categories", "category")])
def test_a_repeated_id_is_named_in_evaluation(table: str, kind: str) -> None:
    content = truth()
    content[table] = [*content[table], *content[table]]  # type: ignore[misc]
    with pytest.raises(InputError, match=f"ground truth: wanted every {kind} id once, got {kind} id 1 2 times"):
        load_ground_truth(content)
