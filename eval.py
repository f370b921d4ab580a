"""Evaluate a checkpoint on its validation split, or score a saved results file.

python eval.py runs/run/best.ckpt data.root=/path/to/coco
python eval.py --results results.json --config configs/mask_rcnn_r50_fpn_1x_coco.yaml
"""

import argparse
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", help="checkpoint (.ckpt)")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help="configuration keys to change")
    parser.add_argument("--results", type=Path, help="score this results JSON instead of a checkpoint")
    parser.add_argument("--config", type=Path, help="configuration file, with --results")
    parser.add_argument(
        "--out", type=Path, help="folder for results, metrics and pictures (eval/ beside the checkpoint)"
    )
    arguments = parser.parse_intermixed_args()
    if (arguments.results is None) != (arguments.config is None):
        parser.error("--results and --config go together")
    if arguments.results is not None and arguments.checkpoint is not None:
        arguments.overrides.insert(0, arguments.checkpoint)  # without a checkpoint, the first word is an override too
    elif arguments.results is None and arguments.checkpoint is None:
        parser.error("wanted a checkpoint, or --results with --config")
    return arguments


def main() -> int:
    """Returns the exit status."""
    arguments = parse_arguments()
    # Not at the top: --help and a wrong option need not wait for MindSpore to load.
    from mindrcnn.exit_status import run
    from mindrcnn.tasks.evaluation import evaluate_checkpoint, evaluate_results

    if arguments.results is not None:
        return run(lambda: evaluate_results(arguments.results, arguments.config, arguments.overrides, arguments.out))
    return run(lambda: evaluate_checkpoint(Path(arguments.checkpoint), arguments.overrides, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
