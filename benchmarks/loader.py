"""Images per second of the data loader alone, with the default augmentation (flip).

python benchmarks/loader.py DATA_ROOT SPLIT [--bucket 800 1344] [--bucket 1344 800] [--workers 2]
"""

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.data.batching.batch import InputFormat, ObjectFormat
from mindrcnn.data.batching.loader import TrainLoader
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.layout import find_split
from mindrcnn.data.record import training_records
from mindrcnn.data.transforms.augment import Augment
from mindrcnn.errors import InputError

LANDSCAPE_AND_PORTRAIT = [(800, 1344), (1344, 800)]


def images_per_second(loader: TrainLoader, *, batch_size: int, seconds: float) -> float:
    """Returns the rate over as many whole epochs as it takes.

    The first batch, which waits for the threads to start, is not counted.
    """
    images = 0
    start = None
    for epoch in itertools.count():
        for _ in loader.epoch(epoch):
            now = time.perf_counter()
            if start is None:
                start = now
                continue
            images += batch_size
            if now - start > seconds:
                return images / (now - start)
    raise AssertionError("epochs do not end")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("split", help="split name, for example train2017")
    parser.add_argument("--bucket", type=int, nargs=2, action="append", metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--short-side", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--mask-side", type=int, default=112)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--photometric", action="store_true", help="add photometric jitter, expand and crop")
    parser.add_argument("--seconds", type=float, default=10.0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    options = _arguments(argv)
    extra = 0.5 if options.photometric else 0.0
    try:
        files = find_split(root=options.root, name=options.split)
        dataset = read_coco(annotations=files.annotations, images=files.images)
        loader = TrainLoader(
            records=training_records(dataset, keep_empty_images=False),
            input_format=InputFormat(
                buckets=tuple(tuple(bucket) for bucket in options.bucket or LANDSCAPE_AND_PORTRAIT),
                short_side=options.short_side,
            ),
            object_format=ObjectFormat(max_objects=128, mask_side=options.mask_side),
            augment=Augment(flip_prob=0.5, photometric_prob=extra, expand_prob=extra, crop_prob=extra),
            batch_size=options.batch_size,
            seed=0,
            workers=options.workers,
        )
        rate = images_per_second(loader, batch_size=options.batch_size, seconds=options.seconds)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{rate:.1f} images/s with {options.workers} workers, batches of {options.batch_size}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
