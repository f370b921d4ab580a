"""Compile time (processor seconds) of the training step for growing batch, classes and object slots.

None of them should matter.

python benchmarks/compile_time.py configs/mask_rcnn_r50_fpn_1x_coco.yaml
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindrcnn.build import build_detector
from mindrcnn.build_training import build_optimizer
from mindrcnn.config import Config
from mindrcnn.config_loader import load_config
from mindrcnn.engine.train_step import TrainStep
from mindrcnn.models.detector import TrainingLosses

SIDE = 256
CASES = ((1, 80, 128), (2, 80, 128), (4, 80, 128), (2, 10, 128), (2, 1000, 128), (2, 80, 16))


def blank_batch(config: Config, batch: int, slots: int) -> tuple[Tensor, ...]:
    """A batch of the right shapes; compiling does not look at the values."""
    masks = config.data.mask_side if config.model.mask is not None else 1
    arrays = (
        np.zeros((batch, 3, SIDE, SIDE), np.uint8),
        np.full((batch, 2), SIDE, np.int32),
        np.zeros((batch, slots, 4), np.float32),
        np.zeros((batch, slots), np.int32),
        np.zeros((batch, slots), bool),
        np.zeros((batch, slots), bool),
        np.zeros((batch, slots, masks, masks), np.uint8),
    )
    return tuple(Tensor.from_numpy(array) for array in arrays)


def compile_once(config_file: Path, batch: int, classes: int, slots: int) -> float:
    """Processor seconds to compile one training step; unlike elapsed ones they do not depend on other work."""
    config = load_config(config_file)
    config = replace(config, train=replace(config.train, batch_size=batch))
    ms.set_context(mode=ms.GRAPH_MODE)
    detector = build_detector(config.model, classes)
    optimizer = build_optimizer(config.train, detector, np.zeros(10, np.float32))
    step = TrainStep(network=TrainingLosses(detector=detector), optimizer=optimizer, clip_norm=1.0)
    noise = tuple(
        Tensor.from_numpy(np.zeros(shape, np.float32)) for shape in detector.noise_shapes(batch, SIDE, SIDE, slots)
    )
    inputs = (*blank_batch(config, batch, slots), *noise)
    started = time.process_time()
    step.compile(*inputs)
    return time.process_time() - started


def main() -> int:
    """Prints a line per case; each compiles in a process of its own, so that none profits from another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--case", type=int, nargs=3, metavar=("BATCH", "CLASSES", "SLOTS"), help="only this case")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(compile_once(arguments.config, *arguments.case)))
        return 0
    print(f"{'batch':>6} {'classes':>8} {'slots':>6} {'seconds':>8}")
    for batch, classes, slots in CASES:
        command = [sys.executable, __file__, str(arguments.config), "--case", str(batch), str(classes), str(slots)]
        seconds = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{batch:>6} {classes:>8} {slots:>6} {seconds:>8.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
