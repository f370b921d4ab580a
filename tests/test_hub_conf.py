"""mindspore_hub_conf.py, as MindSpore Hub calls it."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from mindspore import nn
from small_detector import MODEL, make_detector

from mindrcnn.config.loader import dump_config
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, save_checkpoint
from mindrcnn.errors import InputError

FILE = Path(__file__).resolve().parents[1] / "mindspore_hub_conf.py"
SMALL = ["model.fpn.out_channels=16", "model.box.fc_channels=16", "model.mask.channels=16"]


@pytest.fixture(scope="module")
def hub() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mindspore_hub_conf", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def create(hub: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., nn.Cell]:
    """create_network, with a small checkpoint in the place of each published model."""
    info = CheckpointInfo(dump_config(Config(model=MODEL)), ("a", "b", "c"), (1, 2, 3), epoch=0, step=0)
    save_checkpoint(tmp_path / "small.ckpt", network=make_detector(), info=info)
    monkeypatch.setattr(hub, "checkpoint_file", lambda name: tmp_path / "small.ckpt")
    return hub.create_network


def test_a_published_model(create: Callable[..., nn.Cell]) -> None:
    network = create("torchvision/mask_rcnn_r50_fpn", overrides=["model.box.score_thresh=0.5"])
    trained = make_detector().parameters_dict()
    values = network.detector.parameters_dict()
    assert values.keys() == trained.keys()
    name = "box.head.class_logits.weight"
    assert (values[name].asnumpy() == trained[name].asnumpy()).all()
    assert not network.training


def test_a_configuration(hub: ModuleType) -> None:
    network = hub.create_network("mask_rcnn_mobilenet_v1_fpn_1x_coco", num_classes=3, overrides=SMALL)
    assert network.detector.parameters_dict()["box.head.class_logits.bias"].shape == (4,)


def test_wrong_calls(create: Callable[..., nn.Cell]) -> None:
    with pytest.raises(NotImplementedError, match="nearest: torchvision/mask_rcnn_r50_fpn"):
        create("torchvision/mask_rcnn_r50")
    with pytest.raises(TypeError, match="num_classes"):
        create("torchvision/mask_rcnn_r50_fpn", num_classes=3)
    with pytest.raises(TypeError, match="got 1 more"):
        create("torchvision/mask_rcnn_r50_fpn", 3)
    with pytest.raises(InputError, match="unknown key"):
        create("torchvision/mask_rcnn_r50_fpn", overrides=["mine=1"])
