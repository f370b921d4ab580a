"""The objects and masks that the comparison shows, and the messages for wrong input."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.evaluation.paste import encode_bitmap
from mindrcnn.tasks.mask_comparison import CELL, GAP, compare, draw_cell, match_masks, sort_by_area

HEIGHT, WIDTH = 40, 60
SMALL, LARGE = (4, 4, 10, 10), (20, 5, 30, 30)  # xywh


def rle(x: int, y: int, width: int, height: int) -> dict:
    bitmap = np.zeros((HEIGHT, WIDTH), bool)
    bitmap[y : y + height, x : x + width] = True
    return dict(encode_bitmap(bitmap))


def entry(category: int, box: tuple[int, int, int, int], score: float = 0.9) -> dict:
    return {"image_id": 1, "category_id": category, "bbox": list(box), "score": score, "segmentation": rle(*box)}


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """One black image with a small object of class 1, a large one of class 2 and a larger crowd."""
    objects = [(1, SMALL, 0), (2, LARGE, 0), (2, (0, 0, 60, 35), 1)]
    content = {
        "images": [{"id": 1, "file_name": "one.png", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": crowd,
                "segmentation": rle(*box),
            }
            for number, (category, box, crowd) in enumerate(objects, start=1)
        ],
    }
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    path = tmp_path / "val.json"
    path.write_text(json.dumps(content))
    return path


def test_largest_first_and_no_crowds(annotations: Path) -> None:
    assert [tuple(one["bbox"]) for one in sort_by_area(load_ground_truth(annotations))] == [LARGE, SMALL]


def test_the_closest_mask_of_the_class_is_taken(annotations: Path) -> None:
    large = sort_by_area(load_ground_truth(annotations))[0]
    closest, other = entry(2, (20, 5, 30, 28)), entry(2, (20, 5, 30, 20), score=1.0)
    masks = match_masks(large, {"a": [entry(1, LARGE), other, closest]})
    assert masks == {"a": closest["segmentation"]}
    assert match_masks(large, {"a": [closest], "b": [entry(1, LARGE)]}) is None
    assert match_masks(large, {"a": [entry(2, (20, 5, 30, 14))]}) is None


def test_a_cell_shows_the_object_in_its_middle(annotations: Path) -> None:
    large = sort_by_area(load_ground_truth(annotations))[0]
    picture = draw_cell(np.zeros((HEIGHT, WIDTH, 3), np.uint8), large["segmentation"], large)
    tinted = np.argwhere(picture[..., 0] > picture[..., 1] + 20)
    assert picture.shape == (CELL, CELL, 3)
    np.testing.assert_allclose(tinted.mean(axis=0), CELL / 2, atol=3)
    np.testing.assert_allclose(np.ptp(tinted, axis=0), CELL / 1.3, atol=8)


def test_only_what_all_found_is_shown(annotations: Path) -> None:
    truth = load_ground_truth(annotations)
    results = {"a": [entry(1, SMALL), entry(2, LARGE)], "b": [entry(1, SMALL)]}
    picture = compare(truth, annotations.parent, results, count=5)
    assert picture.shape[1] == 3 * CELL + 2 * GAP
    assert CELL < picture.shape[0] < 2 * CELL


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (["a"], "NAME=FILE"),
        (["a=one.json", "a=one.json"], "different names"),
        (["a=missing.json"], "missing.json"),
        (["a=boxes.json"], "boxes.json: entry 0: wanted a segmentation, because masks are evaluated"),
        (["a=none.json"], "wanted an object that a found"),
    ],
)
def test_wrong_input_is_one_message(annotations: Path, results: list[str], words: str) -> None:
    folder = annotations.parent
    bare = {key: value for key, value in entry(1, SMALL).items() if key != "segmentation"}
    for name, entries in (("one", [entry(1, SMALL)]), ("boxes", [bare]), ("none", [])):
        (folder / f"{name}.json").write_text(json.dumps(entries))
    command = [sys.executable, "-m", "mindrcnn", "compare-masks", "val.json", ".", "--out", "out.png"]
    process = subprocess.run([*command, "--results", *results], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("error: ")
    assert words in process.stderr
    assert process.stderr.count("\n") == 1
    assert not (folder / "out.png").exists()


def test_the_program_writes_the_picture(annotations: Path) -> None:
    folder = annotations.parent
    (folder / "one.json").write_text(json.dumps([entry(2, LARGE)]))
    command = [sys.executable, "-m", "mindrcnn", "compare-masks", "val.json", ".", "--out", "out.png"]
    subprocess.run([*command, "--results", "a=one.json"], cwd=folder, check=True, capture_output=True)
    assert cv2.imread(str(folder / "out.png")).shape[1] == 2 * CELL + GAP
