"""Predict image files: one JSON with all predictions, and drawn pictures.

python infer.py runs/run/best.ckpt photo.jpg folder 'more/*.png' --out found --score 0.6 --classes person,dog
python infer.py runs/run/best.ckpt folder eval.mask_thresh=0.4
"""

import argparse
import re
import sys
from pathlib import Path

OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*=")


def split_overrides(words: list[str]) -> tuple[list[str], list[str]]:
    """(images, a.b=c overrides); an existing file is an image whatever its name."""
    overrides = [word for word in words if OVERRIDE.match(word) and not Path(word).exists()]
    return [word for word in words if word not in overrides], overrides


def parse_score(text: str) -> float:
    """A probability."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"wanted a number from 0 to 1, got {text}")
    return value


def parse_arguments() -> argparse.Namespace:
    """The command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="checkpoint (.ckpt)")
    parser.add_argument("images", nargs="+", help="image file, folder or glob; a.b=c changes a configuration key")
    parser.add_argument("--out", type=Path, default=Path("inferred"), help="folder for JSON and pictures (inferred)")
    parser.add_argument("--score", type=parse_score, default=0.5, help="least score of a prediction (0.5)")
    parser.add_argument("--classes", default="", help="only these classes, names separated by commas")
    arguments = parser.parse_intermixed_args()
    arguments.images, arguments.overrides = split_overrides(arguments.images)
    if not arguments.images:
        parser.error("wanted at least one image file, folder or glob")
    return arguments


def main() -> int:
    """Returns the exit status."""
    arguments = parse_arguments()
    names = [name.strip() for name in arguments.classes.split(",") if name.strip()]
    # Not at the top: --help and a wrong option need not wait for MindSpore to load.
    from mindrcnn.exit_status import run
    from mindrcnn.tasks.inference import infer

    return run(
        lambda: infer(
            arguments.checkpoint,
            arguments.images,
            arguments.overrides,
            out=arguments.out,
            score_thresh=arguments.score,
            class_names=names,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
