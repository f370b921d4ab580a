"""Processor time and memory of COCO evaluation and of the report, for made-up results of COCO val2017's size.

python benchmarks/coco_report.py [--images 5000] [--masks] [--only report own faster_coco_eval pycocotools]

Writes 7.2 objects an image of 80 classes and 100 detections an image, half of them near an object, and measures each
way in a process of its own: the report with its files read and written, and evaluations once their files have been
read. `own` is the report's table of matches with the AP. Memory is the largest resident set of that process.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.report.bootstrap import mean_of_existing
from mindrcnn.report.matches import find_matches
from mindrcnn.report.precision import compute_scores
from mindrcnn.report.sides import read_found, read_truth
from mindrcnn.tasks.report_writing import ReportOptions, Results, make_report, split_of_annotations

HEIGHT, WIDTH, CLASSES = 480, 640, 80
OBJECTS, DETECTIONS = 7.2, 100  # of an image
TRUTH, RESULTS = "truth.json", "results.json"

Random = np.random.Generator


def write_data(folder: Path, *, images: int, masks: bool) -> None:
    """Writes ground truth and results."""
    random = np.random.default_rng(0)
    share = 1 / np.arange(1, CLASSES + 1) ** 0.9
    annotations: list[dict[str, Any]] = []
    results = []
    for image in range(1, images + 1):
        drawn = [
            (_box(random), int(random.choice(CLASSES, p=share / share.sum()))) for _ in range(random.poisson(OBJECTS))
        ]
        for box, label in drawn:
            outline = {"segmentation": [_outline(box)]} if masks else {}
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": label + 1, "bbox": box, "iscrowd": 0}
            annotations.append(row | {"area": box[2] * box[3]} | outline)
        for _ in range(DETECTIONS):
            near = bool(drawn) and random.random() < 0.5
            box, label = drawn[random.integers(len(drawn))] if near else (_box(random), int(random.integers(CLASSES)))
            box = _clip(np.array(box) + random.normal(0, 0.1, 4) * (box[2], box[3], box[2], box[3]))
            score = round(float(random.beta(2, 3) if near else random.beta(1, 8)), 5)
            entry = {"image_id": image, "category_id": label + 1, "bbox": box, "score": score}
            results.append(entry | ({"segmentation": _rle(box)} if masks else {}))
    content = {
        "images": [
            {"id": one, "file_name": f"{one}.jpg", "height": HEIGHT, "width": WIDTH} for one in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": one + 1, "name": f"class {one}"} for one in range(CLASSES)],
    }
    (folder / TRUTH).write_text(json.dumps(content))
    (folder / RESULTS).write_text(json.dumps(results))


def _box(random: Random) -> list[float]:
    corner = random.uniform(0, (WIDTH - 8, HEIGHT - 8))
    return _clip(np.concatenate([corner, np.exp(random.normal(4, 1, 2))]))


def _clip(box: NDArray[np.float64]) -> list[float]:
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(left + max(box[2], 4.0), WIDTH), min(top + max(box[3], 4.0), HEIGHT)
    return [round(float(value), 2) for value in (left, top, max(right - left, 2.0), max(bottom - top, 2.0))]


def _outline(box: Sequence[float]) -> list[float]:
    """Returns an ellipse of 24 corners."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    across, down = box[0] + box[2] / 2 * (1 + np.cos(angle)), box[1] + box[3] / 2 * (1 + np.sin(angle))
    return np.stack([across, down], axis=1).round(2).ravel().tolist()


def _rle(box: Sequence[float]) -> dict[str, Any]:
    (packed,) = mask_api.frPyObjects([_outline(box)], HEIGHT, WIDTH)
    return {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}


def measure_report(folder: Path, masks: bool) -> float:
    """Writes the report; returns the processor time."""
    started = time.process_time()
    split = split_of_annotations(load_ground_truth(folder / TRUTH), None)
    make_report(split, [Results(name="made up", file=folder / RESULTS)], folder, ReportOptions())
    return time.process_time() - started


def measure_evaluation(folder: Path, masks: bool, way: str) -> float:
    """Returns the processor time of one kind of evaluation, after the files have been read."""
    truth = load_ground_truth(folder / TRUTH)
    entries = read_results(folder / RESULTS, image_sizes=truth.image_sizes, category_ids=truth.category_ids)
    started = time.process_time()
    if way == "own":
        arrays = read_truth(truth)
        matches = find_matches(arrays, read_found(entries, arrays), "segm" if masks else "bbox", max_detections=100)
        ap = mean_of_existing(compute_scores(matches, np.ones((1, len(arrays.image_ids)), np.int32)).ap[:, 0])[0]
    else:
        ap = evaluate(truth, entries, iou_type="segm" if masks else "bbox", backend=way).stats["AP"]  # type: ignore[arg-type]
    spent = time.process_time() - started
    print(f"  AP {ap:.12f}", flush=True)
    return spent


def measure(way: str, folder: Path, masks: bool) -> None:
    """Prints one line."""
    spent = measure_report(folder, masks) if way == "report" else measure_evaluation(folder, masks, way)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{way}: {spent:.1f} s of processor time, {memory:.2f} GB", flush=True)


def in_a_process(work: Callable[..., None], *arguments: object) -> None:
    """Runs a function in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()


def main() -> int:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--masks", action="store_true")
    ways = ("report", "own", "faster_coco_eval", "pycocotools")
    parser.add_argument("--only", nargs="+", choices=ways, default=ways)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_data(Path(name), images=arguments.images, masks=arguments.masks)
        for way in arguments.only:
            in_a_process(measure, way, Path(name), arguments.masks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
