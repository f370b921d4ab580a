"""The command line of `mindrcnn convert-data`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import add_export, add_force, new_parser, path

PROG = "mindrcnn convert-data"
DESCRIPTION = """
Write the export of an annotation tool as COCO JSON: labelme, VIA 2, YOLO, Pascal VOC, LVIS or Cityscapes' polygons. The
images stay where they are. Training reads such exports as they are; convert a large one to read it faster, or to use a
program that wants COCO.
"""
EXAMPLES = """
%(prog)s labelme_folder all.json
%(prog)s yolo_data train.json --split train
%(prog)s VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt val.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("source", type=path, metavar="SRC", help="folder or annotations of the export")
    parser.add_argument("out", type=path, metavar="OUT", help="COCO JSON to write")
    add_export(parser)
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: convert(arguments))


def convert(arguments: argparse.Namespace) -> int:
    """Writes the file and prints what is in it."""
    from mindrcnn.data.formats.layout import SplitFiles
    from mindrcnn.datasets.convert_data import convert_data

    options = SplitFiles(
        arguments.source,
        arguments.source,
        class_attribute=arguments.class_attribute,
        skip_missing=arguments.skip_missing_images,
    )
    source, out, split = arguments.source, arguments.out, arguments.split
    sys.stdout.write(convert_data(source, out, split=split, options=options, force=arguments.force))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
