"""Other heads and recipes of this package beside its Mask R-CNN, from the same start.

    python -m benchmarks.training_beside.variants --out RUNS --names ms_rcnn point_rend giou_loss

A variant trains as the Mask R-CNN of the same seed in RUNS, which `python -m benchmarks.training_beside` has trained,
but for the keys below. It starts from the same initial weights where the layers are the same, otherwise from the same
backbone weights. What is done is skipped. The table is written after each run, and holds what is done.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.training_beside.piece import BOUNDARY, CHECKPOINT, CONFIG, MASK_RCNN, MINDRCNN, RUN, Run
from benchmarks.training_beside.processes import run_module, start
from benchmarks.training_beside.variants_report import metrics_file, write_report
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.convert.conventions import merge_trees
from mindrcnn.tasks.split_evaluator import RESULTS
from mindrcnn.tasks.training import EVALUATION

Tree = dict[str, Any]

# Mask losses weighted by 3 and layers as wide as in the default.
MASK_WEIGHT, WIDTH, FC_WIDTH = 3.0, 96, 512
HEADS: dict[str, Tree] = {
    "ms_rcnn": {
        "model": {
            "mask": {
                "type": "ms_rcnn",
                "num_convs": 2,
                "channels": WIDTH,
                "weight": MASK_WEIGHT,
                "iou_channels": WIDTH,
                "iou_fc_channels": FC_WIDTH,
            }
        }
    },
    "point_rend": {
        "model": {
            "box": {"train_on_pred_boxes": True},
            "mask": {
                "type": "point_rend",
                "fc_channels": FC_WIDTH,
                "point_channels": WIDTH,
                "coarse_weight": MASK_WEIGHT,
                "point_weight": MASK_WEIGHT,
            },
        },
        "data": {"mask_side": 224},
    },
}
# Augmentation as in configs/, and room for the objects of two images.
RECIPES: dict[str, Tree] = {
    "large_scale_jitter": {"data": {"augment": {"scale_jitter": [0.1, 2.0]}}},
    "copy_paste": {"data": {"augment": {"scale_jitter": [0.8, 1.25], "copy_paste_prob": 1.0}, "max_objects": 128}},
    "giou_loss": {"model": {"box": {"box_loss": "giou", "box_weight": 10.0}}},
}
# Pyramid and mask head alone: the norms of the backbone's ImageNet weights are folded into its convolutions.
SYNC_BATCH: Tree = {"model": {"fpn": {"norm": "sync_batch"}, "mask": {"norm": "sync_batch"}}}
# Layers that the default lacks, so training starts from the weights of the backbone alone.
LAYERS: dict[str, Tree] = {
    "4conv1fc": {"model": {"box": {"num_convs": 4, "conv_channels": WIDTH, "norm": "group", "num_fcs": 1}}},
    "group_norm": {"model": {"fpn": {"norm": "group"}, "mask": {"norm": "group"}}},
    "sync_batch": SYNC_BATCH,
    "precise_bn": SYNC_BATCH | {"train": {"precise_bn": 24}},
}
VARIANTS = HEADS | RECIPES | LAYERS


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_beside.variants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("runs/training_beside"), help="folder (default: %(default)s)")
    parser.add_argument("--data", default="fruits_nuts", metavar="NAME", help="data set (default: %(default)s)")
    parser.add_argument("--names", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="default: all")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="number of seeds (default: %(default)s)")
    parser.add_argument("--report-only", action="store_true", help="write the table of the runs that are done")
    return parser.parse_args(argv)


def write_config(run: Run) -> None:
    """Writes the configuration of a variant: the default's, the variant's keys and the initial weights."""
    default = replace(run, model=MASK_RCNN)
    run.inputs.mkdir(parents=True, exist_ok=True)
    own: Tree = {"base": str(default.inputs / CONFIG), "name": run.name.replace("/", "_"), **VARIANTS[run.model]}
    if run.model not in LAYERS:
        own = merge_trees(own, {"train": {"init_checkpoint": str(default.inputs / CHECKPOINT)}})
    (run.inputs / CONFIG).write_text(dump_yaml(own), encoding="utf-8")


def score_boundaries(run: Run) -> None:
    """Scores the predictions of a run again, with boundary AP."""
    folder = run.side(MINDRCNN)
    words = ["--results", str(folder / RUN / EVALUATION / RESULTS), "--config", str(run.inputs / CONFIG)]
    run_module(sys.executable, "mindrcnn", "eval", *words, "eval.boundary=true", "--out", str(folder / BOUNDARY))


def main(argv: Sequence[str] | None = None) -> int:
    """Trains and scores what is missing; returns the exit status."""
    options = parse(argv)
    root = options.out.resolve()
    runs = [
        Run(root, options.data, name, seed) for name in (MASK_RCNN, *options.names) for seed in range(options.seeds)
    ]
    for run in () if options.report_only else runs:
        if run.model != MASK_RCNN and not run.is_done(MINDRCNN):
            print(f"{run.name} ...", flush=True)
            write_config(run)
            start(sys.executable, "mindrcnn_side", "train", *run.words)
        if not metrics_file(run).is_file():
            score_boundaries(run)
        write_report(runs, root)
    print(write_report(runs, root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
