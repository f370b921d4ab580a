"""The command line of `mindrcnn convert`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn import paths
from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import add_force, add_overrides, new_parser, parse_intermixed, path

PROG = "mindrcnn convert"
DESCRIPTION = """
Import weights from another library as a checkpoint of MindRCNN, or export a checkpoint to another library. An import
also writes the configuration that fits the weights and a report on every parameter, beside the checkpoint.
"""
EXAMPLES = """
%(prog)s model_final.pkl mask_rcnn.ckpt
%(prog)s --from torchvision weights.pth finetune.ckpt --config my_data.yaml
%(prog)s mmdet/ms_rcnn_r50_caffe_fpn_1x ms_rcnn.ckpt
%(prog)s --to detectron2 runs/first/best.ckpt model.pkl
"""

SOURCES = ("auto", "torchvision", "detectron2", "mmdet", "maskrcnn-benchmark", "mindcv", "mindspore-zoo")
TARGETS = ("torchvision", "detectron2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "src",
        metavar="SRC",
        help="weights: .pth, .pkl, .npz, .safetensors or .ckpt; a file, a URL or a published model's name",
    )
    parser.add_argument(
        "out", metavar="OUT", type=path, help="a .ckpt to write; with --to a .pth, .pkl, .npz or .safetensors"
    )
    add_overrides(parser)
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--from",
        dest="source",
        choices=SOURCES,
        default="auto",
        help="library that SRC comes from (default: %(default)s, recognised by its parameter names)",
    )
    direction.add_argument(
        "--to", dest="target", choices=TARGETS, help="export: SRC is a checkpoint of MindRCNN, OUT is for this library"
    )
    parser.add_argument(
        "--config",
        type=path,
        metavar="CONFIG",
        help="configuration for the classes and for what the weights do not decide (default: the library's settings, "
        "and COCO in data/coco)",
    )
    _add_interpretation(parser)
    add_force(parser)


def _add_interpretation(parser: argparse.ArgumentParser) -> None:
    """Adds what the source's file may not say about itself."""
    parser.add_argument(
        "--classes",
        type=path,
        metavar="FILE",
        help="class names of the result, one a line (default: those of the configuration, or of the source)",
    )
    parser.add_argument(
        "--source-classes",
        type=path,
        metavar="FILE",
        help="class names of the source's outputs, one a line (default: read from the weights, or COCO's)",
    )
    parser.add_argument(
        "--all-outputs",
        action="store_true",
        help="keep outputs for category ids that COCO does not use (default: drop them)",
    )
    parser.add_argument(
        "--style",
        choices=("pytorch", "caffe"),
        default="",
        help="mmdet: style of the backbone (default: read from the weights, or that of the published model)",
    )
    parser.add_argument(
        "--norm-eps",
        type=float,
        metavar="NUMBER",
        help="what the source adds to the variances of the backbone's norms (default: 1e-5, or the published model's)",
    )
    parser.add_argument(
        "--allow-leftover",
        action="store_true",
        help="ignore weights that have no place in the model (default: an error)",
    )


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parse_intermixed(parser, words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run_network(lambda: convert(arguments))


def convert(arguments: argparse.Namespace) -> int:
    """Converts in the direction asked for."""
    from mindrcnn.config.loader import load_config
    from mindrcnn.convert.classes import read_class_file
    from mindrcnn.convert.conversion import Outputs, convert_in, convert_out
    from mindrcnn.convert.importer import Options
    from mindrcnn.outputs import Output, never, protect

    given = (arguments.src, arguments.config, arguments.classes, arguments.source_classes)
    inputs = [paths.expand(name) for name in given if name]
    if arguments.target is not None:
        protect([Output(arguments.out, never)], inputs=inputs, force=arguments.force)
        return convert_out(paths.expand(arguments.src), arguments.out, library=arguments.target)
    protect(Outputs(arguments.out).files, inputs=inputs, force=arguments.force)
    options = Options(
        base=load_config(arguments.config) if arguments.config else None,
        overrides=tuple(arguments.overrides),
        classes=read_class_file(arguments.classes) if arguments.classes else (),
        source_classes=read_class_file(arguments.source_classes) if arguments.source_classes else (),
        all_outputs=arguments.all_outputs,
        style=arguments.style,
        allow_leftover=arguments.allow_leftover,
        norm_eps=arguments.norm_eps,
    )
    return convert_in(arguments.src, arguments.out, library=arguments.source, options=options)


if __name__ == "__main__":
    sys.exit(main())
