"""Evaluation of a split, from decoding to the COCO table, and of the model alone on the same batches."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.case import DATA_VARIABLE
from benchmarks.mindrcnn_detector import open_config, random_detector
from benchmarks.targets import MODEL_ALONE
from benchmarks.worker import Prepared
from mindrcnn.build.data import build_dataset, build_eval_loader
from mindrcnn.predictor import network_detector
from mindrcnn.tasks.split_evaluator import SplitEvaluator


def evaluation(*, head: str, images: int, height: int, width: int) -> Prepared:
    """Prepares whole evaluations of the first `images` images, each after a pass of the model alone.

    The total is that of the evaluation. The model is random and gives 100 detections per image, far more than a trained
    one draws, pastes and scores.
    """
    root = os.environ[DATA_VARIABLE]
    overrides = (
        f"data.root={root}",
        f"data.buckets=[[{height}, {width}]]",
        f"data.short_side={min(height, width)}",
        "eval.batch_size=1",
        "eval.pictures=0",
    )
    config = open_config(head, overrides)
    dataset = build_dataset(config.data, config.data.val, "data.val")
    dataset = replace(dataset, records=dataset.records[:images])
    evaluator = SplitEvaluator(config=config, dataset=dataset)
    detector = network_detector(
        network=random_detector(config, num_classes=len(dataset.classes)),
        config=config,
        classes=dataset.classes,
        category_ids=dataset.category_ids,
    )
    batches = list(build_eval_loader(config, dataset.records))

    def run() -> Mapping[str, float]:
        started = time.perf_counter()
        for batch in batches:
            detector.detect(batch)
        alone = time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            evaluator.run(detector, Path(folder))
            whole = time.perf_counter() - started
        return {"total": whole, MODEL_ALONE: alone}

    return Prepared(run=run, facts=lambda: {"images": len(batches)})
