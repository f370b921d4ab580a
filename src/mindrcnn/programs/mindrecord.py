"""The command line of `mindrcnn mindrecord`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from mindrcnn.engine.signals import program_signals
from mindrcnn.exit_status import EXIT_INTERRUPTED, EXIT_OK, report_bad_input
from mindrcnn.programs.command_line import add_export, add_force, new_parser, not_negative, path, positive

PROG = "mindrcnn mindrecord"
DESCRIPTION = """
Convert a data set to MindRecord files: few large files instead of many small ones. A conversion that was stopped
continues when the same command is given again.
"""
EXAMPLES = """
%(prog)s annotations/instances_train2017.json --images train2017 --out converted/train
%(prog)s yolo_data --split train --out converted/train
%(prog)s list.txt --format txt --classes cat dog --images photos --out converted/train
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("annotations", type=path, metavar="ANNOTATIONS", help="annotations, or the folder of an export")
    parser.add_argument(
        "--images",
        type=path,
        metavar="DIR",
        help="folder that image names are relative to (default: found as in training)",
    )
    parser.add_argument("--out", type=path, metavar="DIR", required=True, help="folder for the MindRecord files")
    parser.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="data format of the annotations, same as data.train.format (default: %(default)s)",
    )
    add_export(parser)
    parser.add_argument(
        "--classes",
        nargs="+",
        default=[],
        metavar="NAME",
        help="same as data.classes; a TXT list needs them (default: all categories of the file)",
    )
    parser.add_argument(
        "--ignore-other-categories",
        action="store_true",
        help="same as data.ignore_other_categories (default: other categories are an error)",
    )
    parser.add_argument(
        "--shards", type=positive, metavar="N", help="number of MindRecord files (default: one per GB of images)"
    )
    parser.add_argument(
        "--workers",
        type=not_negative,
        metavar="N",
        default=os.cpu_count() or 1,
        help="processes; 0 converts in this one (default: one per core)",
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    try:
        # Not `run`: SIGTERM has to end this process and its workers at once rather than wait for their shards.
        with program_signals():
            return report_bad_input(lambda: convert_data(arguments))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command continues with the shards that are missing\n")
        return EXIT_INTERRUPTED


def convert_data(arguments: argparse.Namespace) -> int:
    """Converts the data set and prints what was written."""
    from mindrcnn.data.formats.format import locate_given
    from mindrcnn.data.formats.mindrecord.convert import Source, convert
    from mindrcnn.data.formats.mindrecord.manifest import INDEX, is_index
    from mindrcnn.data.formats.registry import find_format
    from mindrcnn.extensions import load_extensions
    from mindrcnn.outputs import Output, protect

    # Python's own handler from here on: before, while modules load, Ctrl-C would be a traceback.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    load_extensions()
    data_format = find_format(arguments.format)
    files = locate_given(data_format, arguments.annotations, arguments.split, str(arguments.images or ""))
    source = Source(
        files=replace(files, class_attribute=arguments.class_attribute, skip_missing=arguments.skip_missing_images),
        format=find_format(files.format) if files.format else data_format,
        classes=tuple(arguments.classes),
        ignore_other_categories=arguments.ignore_other_categories,
    )
    protect([Output(arguments.out / INDEX, is_index)], inputs=[files.annotations], force=arguments.force)
    outcome = convert(source, arguments.out, shards=arguments.shards, workers=arguments.workers, force=arguments.force)
    manifest = outcome.manifest
    size = sum(shard.bytes + shard.index_bytes for shard in manifest.shards)
    sys.stdout.write(
        f"{arguments.out}: {manifest.images} images, {manifest.objects} objects in {len(manifest.shards)} shards "
        f"({outcome.kept} of them were there), {size / 1e6:.1f} MB\n"
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
