"""Load time and memory of a data set's index, for generated annotations of COCO train2017's size.

python benchmarks/index_memory.py [--images 118287] [--objects 860001] [--folder FOLDER] [--mindrecord]

Writes a COCO file with polygons as long as COCO's and image files of one byte, and reads it in a separate process up to
the point where training would start: records, training images, buckets and plan. --mindrecord does the same with the
data converted. Memory is the process's resident set minus what Python and the imported modules take; MindSpore is not
imported.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.mindrecord.convert import Source, convert

COCO_IMAGES, COCO_OBJECTS = 118_287, 860_001  # train2017
CATEGORIES = 80
CROWD_SHARE = 0.012  # of COCO's annotations, stored as run lengths
MEAN_CORNERS, LEAST_CORNERS = 25, 4  # per polygon; they make the file as large as COCO's, 450 MB
SIZES = ((480, 640), (640, 480), (427, 640), (426, 640))


def write_data(folder: Path, *, images: int, objects: int, seed: int = 0) -> Path:
    """Writes the annotation file with stand-ins for the images beside it; returns the file."""
    rng = np.random.default_rng(seed)
    pictures = folder / "images"
    pictures.mkdir(parents=True)
    sizes = rng.integers(len(SIZES), size=images)
    path = folder / "annotations.json"
    with path.open("w", encoding="ascii") as file:
        file.write('{"info":{"description":"made up"},"images":[')
        for index in range(images):
            (pictures / _name(index)).write_bytes(b"\0")
            file.write("," * (index > 0) + _dumps(_image(index, SIZES[sizes[index]])))
        file.write('],"annotations":[')
        for index, annotation in enumerate(_annotations(rng, sizes, objects)):
            file.write("," * (index > 0) + _dumps(annotation))
        categories = [
            {"id": 1 + index, "name": f"class {index}", "supercategory": "thing"} for index in range(CATEGORIES)
        ]
        file.write(f'],"categories":{_dumps(categories)}}}')
    return path


def _image(index: int, size: tuple[int, int]) -> dict[str, Any]:
    name = _name(index)
    return {
        "license": 1,
        "file_name": name,
        "coco_url": f"http://images.cocodataset.org/train2017/{name}",
        "height": size[0],
        "width": size[1],
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm1.staticflickr.com/1/{name}",
        "id": 1 + index,
    }


def _annotations(rng: np.random.Generator, sizes: np.ndarray, objects: int) -> Iterator[dict[str, Any]]:
    for index in range(objects):
        image = int(rng.integers(len(sizes)))
        height, width = SIZES[sizes[image]]
        side = rng.uniform(8, min(height, width) / 2)
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        crowd = rng.random() < CROWD_SHARE
        yield {
            "segmentation": _runs(rng, height, width) if crowd else [_outline(rng, x, y, side)],
            "area": round(0.7 * side * side, 4),
            "iscrowd": int(crowd),
            "image_id": 1 + image,
            "bbox": [round(number, 2) for number in (x, y, side, side)],
            "category_id": int(rng.integers(1, CATEGORIES + 1)),
            "id": 1 + index,
        }


def _outline(rng: np.random.Generator, x: float, y: float, side: float) -> list[float]:
    corners = LEAST_CORNERS + int(rng.exponential(MEAN_CORNERS - LEAST_CORNERS))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = side / 2 * rng.uniform(0.7, 1.0, corners)
    points = np.stack([x + side / 2 + radius * np.cos(angles), y + side / 2 + radius * np.sin(angles)], axis=1)
    return [round(number, 2) for number in points.reshape(-1).tolist()]


def _runs(rng: np.random.Generator, height: int, width: int) -> dict[str, Any]:
    runs = rng.integers(1, 400, size=300).tolist()
    return {"counts": [*runs, height * width - sum(runs)], "size": [height, width]}


def _name(index: int) -> str:
    return f"{1 + index:012d}.jpg"


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def measure(annotations: Path) -> dict[str, float]:
    """Returns the seconds and MB that reading the data takes, up to the first step, and milliseconds per image's masks.

    annotations: the COCO file, or the folder of MindRecord files.
    """
    from mindrcnn.data.batching.batch import InputFormat, ObjectFormat
    from mindrcnn.data.batching.loader import TrainLoader
    from mindrcnn.data.formats.coco.reader import read_coco
    from mindrcnn.data.formats.mindrecord.reader import read_mindrecord
    from mindrcnn.data.record import training_records
    from mindrcnn.data.transforms.augment import Augment
    from mindrcnn.data.transforms.target import Target

    before = _resident()
    start = time.perf_counter()
    if annotations.is_dir():
        dataset = read_mindrecord(folder=annotations)
    else:
        dataset = read_coco(annotations=annotations, images=annotations.parent / "images")
    read = time.perf_counter()
    records = training_records(dataset, keep_empty_images=False)
    loader = TrainLoader(
        records=records,
        input_format=InputFormat(buckets=((800, 1344), (1344, 800)), short_side=800),
        object_format=ObjectFormat(max_objects=128, mask_side=112),
        augment=Augment(),
        batch_size=2,
        seed=0,
    )
    planned = time.perf_counter()
    steady, peak = _resident(), _peak()
    chosen = np.random.default_rng(0).choice(len(records), size=min(2000, len(records)), replace=False)
    asked = time.perf_counter()
    for index in chosen:
        Target.of(records[int(index)])
    mask_time = (time.perf_counter() - asked) / len(chosen)
    return {
        "steps": loader.steps_per_epoch(),
        "read_s": read - start,
        "plan_s": planned - read,
        "index_mb": steady - before,
        "peak_mb": peak - before,
        "masks_ms": 1000 * mask_time,
    }


def _resident() -> float:
    """Returns the MB of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _peak() -> float:
    """Returns this process's peak memory in MB; getrusage would include the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=COCO_IMAGES)
    parser.add_argument("--objects", type=int, default=COCO_OBJECTS)
    parser.add_argument(
        "--folder", type=Path, help="folder to keep the files in; by default they are removed at the end"
    )
    parser.add_argument("--mindrecord", action="store_true", help="convert the data first and read the result")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    options = _arguments(argv)
    if options.measure is not None:
        print(json.dumps(measure(options.measure)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        path = folder / "annotations.json"
        if not path.exists():
            path = write_data(folder, images=options.images, objects=options.objects)
        print(f"{options.images} images, {options.objects} objects, {path.stat().st_size / 2**20:.0f} MB of JSON")
        if options.mindrecord:
            start = time.perf_counter()
            outcome = convert(Source(files=SplitFiles(path, folder / "images")), folder / "mr", shards=4, workers=2)
            print(f"{len(outcome.manifest.shards)} shards ({outcome.kept} kept) in {time.perf_counter() - start:.0f} s")
            path = folder / "mr"
        command = [sys.executable, __file__, "--measure", str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"read in {found['read_s']:.1f} s, planned in {found['plan_s']:.1f} s; index {found['index_mb']:.0f} MB, peak "
        f"{found['peak_mb']:.0f} MB; an image's masks {found['masks_ms']:.2f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
