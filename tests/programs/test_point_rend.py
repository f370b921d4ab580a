"""PointRend through the programs: starting weights, a whole run, and export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindir_operators import require_adapted
from mindspore import Tensor, nn

from mindrcnn.build.detector import build_detector
from mindrcnn.build.device import exclusive_device
from mindrcnn.build.initial_weights import build_initialised_detector
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from mindrcnn.errors import InputError
from mindrcnn.predictor import NumpyPredictor
from mindrcnn.tasks.evaluation import evaluate_checkpoint
from mindrcnn.tasks.export import export
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
FEW_STEPS = "device.mode=pynative"  # compiling takes as long as a dozen of them
POINT_REND = """
base: {tiny}
model:
  mask: {{type: point_rend, resolution: 6, fc_channels: 16, point_channels: 8, train_points: 9, subdivision_points: 36,
    subdivision_steps: 3}}
eval: {{boundary: true}}
"""


@pytest.fixture(scope="module")
def tiny_point_rend(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny_point_rend.yaml"
    path.write_text(POINT_REND.format(tiny=tiny))
    return path


@pytest.fixture
def started(tiny_point_rend: Path) -> Callable[..., nn.Cell]:
    """started(checkpoint, *overrides) -> the detector that training would start from."""

    def start(checkpoint: Path, *overrides: str) -> nn.Cell:
        config = load_config(tiny_point_rend, [f"train.init_checkpoint={checkpoint}", *overrides])
        return build_initialised_detector(config, tuple(CATEGORY_IDS))

    return start


def test_all_but_the_mask_branch_comes_from_a_mask_rcnn(started: Callable[..., nn.Cell], untrained: Path) -> None:
    wanted = load_checkpoint(untrained).parameters
    parameters = started(untrained).parameters_dict()
    own = {name for name in parameters if name.startswith("mask.")}
    assert "mask.point_head.predictor.weight" in own
    for name in parameters.keys() - own:
        np.testing.assert_array_equal(parameters[name].asnumpy(), wanted[name].asnumpy(), err_msg=name)
    assert len(parameters) - len(own) == sum(not name.startswith("mask.") for name in wanted)


def test_a_checkpoint_without_a_mask_branch_serves_too(
    started: Callable[..., nn.Cell], tiny: Path, tmp_path: Path
) -> None:
    config = load_config(tiny, ["model.mask=null"])
    info = CheckpointInfo(dump_config(config), tuple(CATEGORY_IDS), tuple(CATEGORY_IDS.values()), epoch=0, step=0)
    save_checkpoint(tmp_path / "faster.ckpt", network=build_detector(config.model, len(CATEGORY_IDS)), info=info)
    wanted = load_checkpoint(tmp_path / "faster.ckpt").parameters
    parameters = started(tmp_path / "faster.ckpt").parameters_dict()
    for name, value in wanted.items():
        np.testing.assert_array_equal(parameters[name].asnumpy(), value.asnumpy(), err_msg=name)


def test_other_differences_stay_errors(started: Callable[..., nn.Cell], untrained: Path) -> None:
    with pytest.raises(InputError, match=r"box\.head\.fc1\.weight: wanted"):
        started(untrained, "model.box.fc_channels=16")


@pytest.mark.slow
def test_training_evaluation_and_export(call: Call, tiny_point_rend: Path, untrained: Path) -> None:
    start = [f"train.init_checkpoint={untrained}", "train.schedule.length=1"]
    outcome = call(lambda: train(tiny_point_rend, [*start, FEW_STEPS]))
    assert outcome.status == 0, outcome.stderr
    rows = [json.loads(line) for line in Path("runs/tiny/metrics.jsonl").read_text().splitlines()]
    assert set(rows[0]["losses"]) >= {"loss_mask", "loss_mask_point"}
    assert {"bbox_AP", "segm_AP", "boundary_AP"} <= set(rows[-1]["metrics"])

    last = Path("runs/tiny/last.ckpt")
    outcome = call(lambda: evaluate_checkpoint(last, ["device.mode=graph"], Path("out")))
    assert outcome.status == 0, outcome.stderr
    assert "mask boundaries (boundary)" in outcome.stdout
    eager = ["device.mode=pynative", "model.mask.dynamic=true"]
    again = call(lambda: evaluate_checkpoint(last, eager, Path("again")))
    assert again.stdout.replace("again", "out") == outcome.stdout

    target = Path("tiny.mindir")
    outcome = call(lambda: export(last, [], file_format="MINDIR", out=target, size=None, batch=1))
    assert outcome.status == 0, outcome.stderr
    require_adapted(target)
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    image_sizes = np.array([[64, 64]], np.int32)
    outputs = nn.GraphCell(ms.load(str(target)))(Tensor(images), Tensor(image_sizes))
    with exclusive_device("graph"):
        wanted = NumpyPredictor(detector=restore_detector(*open_checkpoint(last, [])))(images, image_sizes)
    assert wanted[3].any()
    for output, value in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(output.asnumpy(), value, atol=1e-4)


def test_boolean_selection_is_not_exported(call: Call, tiny_point_rend: Path, tmp_path: Path) -> None:
    config = load_config(tiny_point_rend)
    info = CheckpointInfo(dump_config(config), tuple(CATEGORY_IDS), tuple(CATEGORY_IDS.values()), epoch=0, step=0)
    path = tmp_path / "model.ckpt"
    save_checkpoint(path, network=build_detector(config.model, len(CATEGORY_IDS)), info=info)
    overrides = ["device.mode=pynative", "model.mask.dynamic=true"]
    outcome = call(lambda: export(path, overrides, file_format="MINDIR", out=None, size=None, batch=1))
    assert outcome.error.startswith("model.mask.dynamic: wanted false for an export")
