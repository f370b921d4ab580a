"""Export a checkpoint's detector for deployment, with fixed input shapes.

    python export.py runs/run/best.ckpt --out detector.mindir --height 800 --width 1344 --batch 1

Inputs: images N,3,H,W uint8 in the configured channel order, zero padded at the bottom and right; image_sizes N,2
int32, the (height, width) of each image without its padding. Outputs: those of TwoStageDetector.predict.
"""

import argparse
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="checkpoint (.ckpt)")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help="configuration keys to change")
    parser.add_argument("--format", choices=("MINDIR", "AIR"), default="MINDIR", help="AIR needs an Ascend (MINDIR)")
    parser.add_argument("--out", type=Path, help="file to write (the checkpoint's name with .mindir or .air)")
    parser.add_argument("--height", type=int, help="input height, pixels (that of the first bucket)")
    parser.add_argument("--width", type=int, help="input width, pixels (that of the first bucket)")
    parser.add_argument("--batch", type=int, default=1, help="images per call (1)")
    arguments = parser.parse_intermixed_args()
    if (arguments.height is None) != (arguments.width is None):
        parser.error("--height and --width go together")
    return arguments


def main() -> int:
    """Returns the exit status."""
    arguments = parse_arguments()
    size = None if arguments.height is None else (arguments.height, arguments.width)
    # Not at the top: --help and a wrong option need not wait for MindSpore to load.
    from mindrcnn.exit_status import run
    from mindrcnn.tasks.export import export

    return run(
        lambda: export(
            arguments.checkpoint,
            arguments.overrides,
            file_format=arguments.format,
            out=arguments.out,
            size=size,
            batch=arguments.batch,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
