"""Import weights of other libraries, or export ours.

python -m mindrcnn.convert --from auto model_final.pkl mask_rcnn.ckpt
python -m mindrcnn.convert --from torchvision weights.pth fine.ckpt --config shells.yaml
python -m mindrcnn.convert --to detectron2 runs/shells/best.ckpt shells.pkl
"""

import argparse
import sys
from pathlib import Path

_SOURCES = ("auto", "torchvision", "detectron2", "mmdet", "maskrcnn-benchmark", "mindcv", "mindspore-zoo")
_TARGETS = ("torchvision", "detectron2")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m mindrcnn.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--from", dest="source", choices=_SOURCES, default="auto", help="the library SRC comes from")
    way.add_argument(
        "--to", dest="target", choices=_TARGETS, help="write OUT, from our checkpoint SRC, for this library"
    )
    parser.add_argument("src", metavar="SRC", help="weights: .pth, .pkl, .npz, .safetensors or .ckpt; file or URL")
    parser.add_argument("out", metavar="OUT", type=Path, help="a .ckpt; with --to .pth, .pkl, .npz or .safetensors")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help="configuration keys to change")
    parser.add_argument("--config", type=Path, help="configuration for what the weights do not decide, and the classes")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="names of the result's classes, one a line")
    parser.add_argument("--source-classes", type=Path, metavar="FILE", help="names of the source's outputs, one a line")
    parser.add_argument("--all-outputs", action="store_true", help="keep outputs of category ids that COCO has not")
    parser.add_argument("--style", choices=("pytorch", "caffe"), default="", help="mmdet: style of the backbone")
    parser.add_argument("--allow-leftover", action="store_true", help="leave out what has no place in the model")
    return parser.parse_intermixed_args(arguments)


def main() -> int:
    """Returns the exit status."""
    arguments = parse_arguments()
    # Not at the top: --help and a wrong option need not wait for MindSpore to load.
    from mindrcnn.config.loader import load_config
    from mindrcnn.convert.classes import read_class_file
    from mindrcnn.convert.importer import Options
    from mindrcnn.convert.program import convert_in, convert_out
    from mindrcnn.exit_status import run

    def work() -> int:
        if arguments.target is not None:
            return convert_out(Path(arguments.src), arguments.out, library=arguments.target)
        options = Options(
            base=load_config(arguments.config) if arguments.config else None,
            overrides=tuple(arguments.overrides),
            classes=read_class_file(arguments.classes) if arguments.classes else (),
            source_classes=read_class_file(arguments.source_classes) if arguments.source_classes else (),
            all_outputs=arguments.all_outputs,
            style=arguments.style,
            allow_leftover=arguments.allow_leftover,
        )
        return convert_in(arguments.src, arguments.out, library=arguments.source, options=options)

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
