"""Cuts a COCO file in two by images: a small set to overfit, or training and validation parts of one's own data.

python -m mindrcnn.datasets.subset all.json --images 12 --out train.json --rest val.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError


def choose_images(content: dict[str, Any], *, count: int, min_objects: int, seed: int) -> set[int]:
    """Draws the ids of `count` images with at least `min_objects` objects, crowds not counted.

    Raises InputError if there are fewer such images.
    """
    objects = Counter(one["image_id"] for one in content["annotations"] if not one.get("iscrowd", 0))
    candidates = [image["id"] for image in content["images"] if objects[image["id"]] >= min_objects]
    if len(candidates) < count:
        raise InputError(f"wanted {count} images with at least {min_objects} objects, got {len(candidates)}")
    chosen = np.random.default_rng(seed).choice(len(candidates), size=count, replace=False)
    return {candidates[index] for index in chosen}


def subset(content: dict[str, Any], images: Collection[int]) -> dict[str, Any]:
    """Returns the COCO content restricted to these images; the rest of the file is unchanged."""
    return {
        **content,
        "images": [image for image in content["images"] if image["id"] in images],
        "annotations": [one for one in content["annotations"] if one["image_id"] in images],
    }


def read_coco_content(path: Path) -> dict[str, Any]:
    """Reads the JSON object of a COCO file. Raises InputError if it is missing or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(content[table], list) for table in ("images", "annotations", "categories")):
            return content
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path}: wanted COCO JSON with lists images, annotations, categories, got something else")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mindrcnn.datasets.subset",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("annotations", type=Path, help="COCO JSON")
    parser.add_argument("--images", type=int, required=True, help="number of images")
    parser.add_argument("--min-objects", type=int, default=0, help="least number of objects of each (0)")
    parser.add_argument("--seed", type=int, default=0, help="decides which images (0)")
    parser.add_argument("--out", type=Path, required=True, help="COCO JSON of the chosen images")
    parser.add_argument("--rest", type=Path, help="COCO JSON of all other images")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    options = parse_arguments(argv)
    try:
        content = read_coco_content(options.annotations)
        chosen = choose_images(content, count=options.images, min_objects=options.min_objects, seed=options.seed)
        write_text(options.out, json.dumps(subset(content, chosen)))
        if options.rest is not None:
            others = {image["id"] for image in content["images"]} - chosen
            write_text(options.rest, json.dumps(subset(content, others)))
    except InputError as error:
        sys.stderr.write(f"error: {options.annotations}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
