"""An export of every tool's format trains, is evaluated and predicted: the numbers are those of the same data as COCO.

One tiny detector is compiled once, and gets the same parameters before each export.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from tool_exports import (
    EXPORTS,
    NAMES,
    coco_bitmaps,
    coco_content,
    coco_crowd,
    lvis,
    roboflow,
    voc_masks,
    with_splits,
    write_images,
    write_json,
    yolo,
)

from mindrcnn import predictor
from mindrcnn.build.data import build_dataset, build_train_loader
from mindrcnn.build.detector import build_detector
from mindrcnn.build.training import build_state, build_step
from mindrcnn.config.data import SplitConfig
from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, save_checkpoint
from mindrcnn.engine.step.feed import BatchFeed
from mindrcnn.models.detector import TrainingLosses
from mindrcnn.predictor import network_detector
from mindrcnn.tasks.evaluation import evaluate_checkpoint, evaluate_results
from mindrcnn.tasks.split_evaluator import SplitEvaluator, all_metrics

Call = Callable[[Callable[[], int]], Any]
STEPS = 2
OVERRIDES = ["data.augment.flip_prob=0", "data.workers=0", "train.batch_size=2", "eval.batch_size=1", "eval.pictures=0"]


@dataclass(frozen=True)
class Numbers:
    """What a run with an export gave: losses of each step, COCO's numbers, and the detections in an image."""

    losses: list[list[float]]
    metrics: dict[str, float]
    boxes: list[list[float]]
    scores: list[float]


class Machine:
    """The compiled step and prediction of a tiny detector."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder
        ms.set_seed(1)
        self.network = build_detector(config.model, len(NAMES))
        self.state = build_state(config.train, self.network, np.full(STEPS, 0.01, np.float32))
        self.step = build_step(config.train, TrainingLosses(detector=self.network), self.state)
        self.feed = BatchFeed(noise_shapes=self.network.noise_shapes, seed=0)
        self.parameters = [*self.network.get_parameters(), *self.state.optimizer.get_parameters()]
        self.start = [parameter.asnumpy().copy() for parameter in self.parameters]
        self.detector = network_detector(network=self.network, config=config, classes=NAMES, category_ids=(1, 2, 3))

    def run(self, root: Path) -> Numbers:
        """Trains two steps on split train of a data set, evaluates on it and predicts its first image."""
        split = SplitConfig(name="train")
        config = replace(self.config, data=replace(self.config.data, root=str(root), train=split, val=split))
        dataset = build_dataset(config.data, split, "data.train")
        assert dataset.classes == NAMES
        for parameter, value in zip(self.parameters, self.start, strict=True):
            parameter.set_data(Tensor(value))
        self.step.set_train(True)
        loader = build_train_loader(config, dataset)
        ms.set_context(mode=ms.GRAPH_MODE)
        losses = []
        for number in range(STEPS):
            (batch,) = loader.epoch(number)
            values, _ = self.step(*self.feed(batch, number))
            losses.append([float(value.asnumpy()) for value in values])
        evaluator = SplitEvaluator(config=config, dataset=dataset)
        metrics = all_metrics(evaluator.run(self.detector, self.folder / root.name))
        found = self.detector.predict(dataset.records[0].path)
        return Numbers(losses, metrics, found.boxes.tolist(), found.scores.tolist())


@pytest.fixture(scope="module")
def machine(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    yield Machine(load_config(tiny, OVERRIDES), tmp_path_factory.mktemp("machine"))
    ms.set_context(mode=ms.PYNATIVE_MODE)


def coco(root: Path) -> None:
    write_images(root / "train")
    write_json(root / "annotations/instances_train.json", coco_content())


@pytest.fixture(scope="module")
def wanted(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Numbers]:
    """The numbers of COCO's own layout, by the name of the function that writes it."""
    found = {}
    for write in (coco, coco_bitmaps, coco_crowd, coco):  # the last shows that nothing is left of a run before
        root = tmp_path_factory.mktemp(write.__name__)
        write(root)
        numbers = machine.run(root)
        assert found.get(write.__name__, numbers) == numbers
        found[write.__name__] = numbers
    first, second = found["coco"].losses
    assert first != second
    assert len(found["coco"].scores) > 0
    return found


RUNS = {name: write for name, (write, _) in EXPORTS.items()} | {"voc_masks": voc_masks}
TWINS = {"lvis": "coco_crowd", "voc_masks": "coco_bitmaps"}


@pytest.mark.parametrize("export", RUNS)
def test_the_numbers_are_those_of_coco(
    export: str, machine: Machine, wanted: dict[str, Numbers], tmp_path: Path
) -> None:
    root = tmp_path / export
    root.mkdir()
    RUNS[export](root)
    numbers, twin = machine.run(root), wanted[TWINS.get(export, "coco")]
    if export == "lvis":  # lvis-api's numbers, which are tested in tests/evaluation
        assert "bbox_APr" in numbers.metrics
        twin = replace(twin, metrics=numbers.metrics)
    assert numbers == twin


@pytest.mark.parametrize("write", [roboflow, yolo, lvis])
def test_evaluation_of_another_split_and_of_saved_results(
    write: Callable[[Path], None], machine: Machine, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_splits(write, Path("export"), ["test"])
    (described,) = Path("export").glob("data.yaml") if write is yolo else [None]
    if described is not None:
        described.write_text(described.read_text() + "test: images/test\n")
    monkeypatch.setattr(predictor, "NumpyPredictor", lambda detector: machine.detector._predict.predict)
    info = CheckpointInfo(
        config_yaml=dump_config(machine.config), classes=NAMES, category_ids=(7, 8, 9), epoch=0, step=0
    )
    save_checkpoint(Path("model.ckpt"), network=machine.network, info=info)
    overrides = ["data.root=export", "data.test.name=test", f"data.classes=[{', '.join(NAMES)}]"]
    first = call(lambda: evaluate_checkpoint(Path("model.ckpt"), overrides, Path("out"), split="test"))
    assert first.status == 0, first.stderr
    assert first.stdout.startswith("boxes (bbox), 3 images, 3 objects\n")
    Path("mine.yaml").write_text(dump_config(machine.config))
    entries = json.loads(Path("out/results.json").read_text())
    assert {entry["category_id"] for entry in entries} <= ({0, 1, 2} if write is yolo else {1, 2, 3})
    again = call(
        lambda: evaluate_results(Path("out/results.json"), Path("mine.yaml"), overrides, Path("again"), split="test")
    )
    assert again.status == 0, again.stderr
    assert again.stdout.replace("again", "out") == first.stdout
