"""Train a detector.

python train.py configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco train.batch_size=4
python train.py configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco train.batch_size=4 --resume
"""

import argparse
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="configuration file (YAML)")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help="configuration keys to change")
    parser.add_argument("--resume", action="store_true", help="go on with the run in its folder, or start it")
    parser.add_argument("--run-dir", type=Path, help="folder of this run, new or empty (runs/NAME, NAME_2, ...)")
    return parser.parse_intermixed_args()


def main() -> int:
    """Returns the exit status."""
    arguments = parse_arguments()
    # Not at the top: --help and a wrong option need not wait for MindSpore to load.
    from mindrcnn.exit_status import run
    from mindrcnn.tasks.training import train

    return run(lambda: train(arguments.config, arguments.overrides, arguments.run_dir, resume=arguments.resume))


if __name__ == "__main__":
    sys.exit(main())
