"""What the libraries put around their weights: nesting, prefixes, counters, optimizers, averages, half precision."""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import write_torch

from mindrcnn.convert.families import FAMILIES, normalise_names
from mindrcnn.convert.importer import choose_style, read_class_names
from mindrcnn.weights.read import WeightsFile, read_weights

A, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(2, dtype=np.float16)
MOMENTS = {"state": {0: {"momentum_buffer": A}}, "param_groups": [{"lr": 0.02, "params": [0]}]}
META = {  # of mmcv's and mmengine's save_checkpoint
    **{
        "epoch": 12,
        "iter": 87960,
        "mmcv_version": "1.0.3",
        "time": "Sat Aug 29 2020",
        "env_info": "sys.platform: linux",
    },
    **{"CLASSES": ("cat", "dog"), "config": "model = dict(\n    backbone=dict(type='ResNet', style='caffe'))"},
}
Write = Callable[[Path], Path]


def detectron2_zoo(path: Path) -> Path:
    tree = {
        "model": {
            "proposal_generator.anchor_generator.cell_anchors.0": A,
            "pixel_mean": B,
            "proposal_generator.rpn_head.conv.weight": A,
        },
        "__author__": "Detectron2 Model Zoo",
        "matching_heuristics": True,
    }
    path.write_bytes(pickle.dumps(tree, protocol=4))
    return path


def detectron2_training(path: Path) -> Path:
    model = OrderedDict({"pixel_std": A, "proposal_generator.rpn_head.conv.weight": A})
    return write_torch(path, {"model": model, "optimizer": MOMENTS, "scheduler": {"last_epoch": 1}, "iteration": 9})


def torchvision_published(path: Path) -> Path:
    state = OrderedDict({"rpn.head.conv.weight": A, "backbone.body.bn1.num_batches_tracked": np.array(5, np.int64)})
    return write_torch(path, state, legacy=True)


def torchvision_training(path: Path) -> Path:
    state = OrderedDict({"rpn.head.conv.0.0.weight": A})
    return write_torch(path, {"model": state, "optimizer": MOMENTS, "lr_scheduler": {"gamma": 0.1}, "epoch": 25})


def mmdet_published(path: Path) -> Path:
    state = OrderedDict({"rpn_head.rpn_conv.weight": A, "backbone.bn1.num_batches_tracked": np.array(5, np.int64)})
    return write_torch(path, {"meta": META, "state_dict": state}, legacy=True)


def mmdet_training_with_averages(path: Path) -> Path:
    state = OrderedDict(
        {"rpn_head.rpn_conv.weight": A, "ema_rpn_head_rpn_conv_weight": A + 1, "data_preprocessor.mean": B}
    )
    return write_torch(path, {"meta": META, "state_dict": state, "optimizer": MOMENTS})


def maskrcnn_benchmark_published(path: Path) -> Path:
    names = ("rpn.anchor_generator.cell_anchors.0", "rpn.head.conv.weight")
    return write_torch(path, {"model": OrderedDict((f"module.{name}", A) for name in names)}, legacy=True)


CASES: list[tuple[str, Write, str]] = [
    ("detectron2", detectron2_zoo, "model_final_a54504.pkl"),
    ("detectron2", detectron2_training, "model_0004999.pth"),
    ("torchvision", torchvision_published, "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"),
    ("torchvision", torchvision_training, "model_25.pth"),
    ("mmdet", mmdet_published, "mask_rcnn_r50_fpn_1x_coco_20200205-d4b0c5d6.pth"),
    ("mmdet", mmdet_training_with_averages, "epoch_12.pth"),
    ("maskrcnn-benchmark", maskrcnn_benchmark_published, "e2e_mask_rcnn_R_101_FPN_1x.pth"),
]


@pytest.mark.parametrize(("library", "write", "name"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_the_weights_are_found_and_the_rest_is_ignored(library: str, write: Write, name: str, tmp_path: Path) -> None:
    file = read_weights(write(tmp_path / name))
    family = FAMILIES[library]
    entries = normalise_names(file.arrays, family)
    source = family.table.source("rpn.head.conv.weight")
    assert source is not None
    np.testing.assert_array_equal(entries.pop(source).value, A)
    assert [entry for entry in entries if not family.table.ignored.fullmatch(entry)] == []


def meta_of(tree: Any, tmp_path: Path) -> WeightsFile:
    return read_weights(write_torch(tmp_path / "a.pth", {"meta": tree, "state_dict": OrderedDict({"a": B})}))


def test_what_an_mmdetection_file_says_of_itself(tmp_path: Path) -> None:
    file = meta_of(META, tmp_path)
    assert read_class_names(file.meta) == ("cat", "dog")
    assert choose_style(file, FAMILIES["mmdet"], None, "")[0] == "caffe"  # type: ignore[arg-type]
    newer = meta_of({"dataset_meta": {"classes": ("a", "b")}, "cfg": "style='pytorch'"}, tmp_path)
    assert read_class_names(newer.meta) == ("a", "b")
    assert choose_style(newer, FAMILIES["mmdet"], None, "")[0] == "pytorch"  # type: ignore[arg-type]


def test_half_precision_is_read_as_it_is(tmp_path: Path) -> None:
    np.testing.assert_array_equal(meta_of({}, tmp_path).arrays["a"], B)
