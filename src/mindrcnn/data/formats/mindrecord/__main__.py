"""Converts a data set into MindRecord files: few large files instead of many small ones.

python -m mindrcnn.data.formats.mindrecord annotations/instances_train2017.json --images train2017 --out converted

A conversion that was stopped continues when the same command is given again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.data.formats.mindrecord.convert import Source, convert
from mindrcnn.data.formats.registry import find_format
from mindrcnn.errors import InputError
from mindrcnn.extensions import load_extensions

EXIT_INTERRUPTED = 130  # as a shell reports SIGINT


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mindrcnn.data.formats.mindrecord",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("annotations", type=Path, help="COCO JSON, or a TXT list")
    parser.add_argument("--images", type=Path, required=True, help="folder that image names are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for the MindRecord files")
    parser.add_argument("--format", default="coco", help="data format of the annotations (coco)")
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="as data.classes; a TXT list needs it")
    parser.add_argument("--ignore-other-categories", action="store_true", help="as data.ignore_other_categories")
    parser.add_argument("--shards", type=int, help="number of MindRecord files (one for each GB of images)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    options = parser.parse_args(argv)
    if options.shards is not None and options.shards < 1:
        parser.error("--shards: wanted at least 1")
    if options.workers < 0:
        parser.error("--workers: wanted at least 0")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    options = parse_arguments(argv)
    try:
        load_extensions()
        source = Source(
            annotations=options.annotations,
            images=options.images,
            format=find_format(options.format),
            classes=tuple(options.classes),
            ignore_other_categories=options.ignore_other_categories,
        )
        outcome = convert(source, options.out, shards=options.shards, workers=options.workers)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command continues with the shards that are missing\n")
        return EXIT_INTERRUPTED
    manifest = outcome.manifest
    size = sum(shard.bytes + shard.index_bytes for shard in manifest.shards)
    sys.stdout.write(
        f"{options.out}: {manifest.images} images, {manifest.objects} objects in {len(manifest.shards)} shards "
        f"({outcome.kept} of them were there), {size / 1e6:.1f} MB\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
