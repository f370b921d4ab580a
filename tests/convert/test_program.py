"""The program from file to file: checkpoint, configuration and report; there and back; refusals."""

import logging
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.config.loader import load_config
from mindrcnn.convert.coco_classes import COCO_CLASSES
from mindrcnn.convert.conversion import SOURCES, TARGETS
from mindrcnn.engine.checkpoints.checkpoint import load_checkpoint
from mindrcnn.errors import InputError
from mindrcnn.models.backbones.resnet import ResNet
from mindrcnn.programs import convert as program
from mindrcnn.weights.backbone import load_backbone
from mindrcnn.weights.read import read_weights
from mindrcnn.weights.write import WRITERS, write_state


@pytest.fixture
def convert(capfd):
    """Runs the program; returns its status and what it wrote to stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        handlers = logging.getLogger().handlers[:]
        try:
            return program.main([*map(str, arguments)]), capfd.readouterr().err
        finally:
            logging.getLogger().handlers[:] = handlers

    return run


def values(path: Path) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy() for name, parameter in load_checkpoint(path).parameters.items()}


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert set(first) == set(second)
    for name, value in first.items():
        assert value.tobytes() == second[name].tobytes(), name


def test_lists_of_libraries_agree():
    assert set(program.SOURCES) == set(SOURCES)
    assert program.TARGETS == TARGETS


def test_the_result_is_enough_for_evaluation(convert, reference_state, tmp_path):
    source, out = tmp_path / "model_final.pkl", tmp_path / "new" / "mask.ckpt"
    write_state(source, reference_state("d2_mask_rcnn_r50"))
    assert convert(source, out)[0] == 0
    checkpoint, config = open_checkpoint(out, ["data.root=elsewhere"])
    restore_detector(checkpoint, config)
    assert checkpoint.info.classes == COCO_CLASSES
    assert config.data.val.name == "val2017"
    assert config.model.pixel.channel_order == "bgr"
    assert load_config(out.with_suffix(".yaml")).model == config.model
    report = out.with_suffix(".report.txt").read_text()
    assert "used      roi_heads.mask_head.deconv.weight -> mask.head.upsample.weight\n" in report
    assert "-> box.head.class_logits.bias (reshaped: classes on axis 0)\n" in report
    assert report.count("  filled ") == 307


@pytest.mark.parametrize(
    ("library", "case", "suffix"),
    [
        ("torchvision", "d2_mask_rcnn_r50", ".pth"),
        ("detectron2", "tv_mask_rcnn_r50", ".pkl"),
        ("detectron2", "mm_mask_rcnn_r50", ".safetensors"),
        ("torchvision", "tv_faster_rcnn_r50", ".npz"),
    ],
)
def test_there_and_back_is_equal_bit_for_bit(library, case, suffix, convert, reference_state, tmp_path):
    source, ours, theirs, again = (tmp_path / name for name in ("s.npz", "ours.ckpt", f"theirs{suffix}", "again.ckpt"))
    write_state(source, reference_state(case))
    assert convert(source, ours)[0] == 0
    assert convert("--to", library, ours, theirs)[0] == 0
    assert convert("--from", library, theirs, again)[0] == 0
    assert_same(values(ours), values(again))


@pytest.mark.parametrize("case", ["d2_mask_rcnn_r50", "tv_mask_rcnn_r50"])
def test_back_to_where_it_came_from(case, convert, reference_state, tmp_path):
    """The source itself comes back; of torchvision the rows of the background, which nothing reads, are zero."""
    state = reference_state(case)
    source, ours, back = tmp_path / "s.pkl", tmp_path / "ours.ckpt", tmp_path / "back.pkl"
    write_state(source, state)
    assert convert(source, ours, "--all-outputs")[0] == 0
    assert convert("--to", {"d2": "detectron2", "tv": "torchvision"}[case[:2]], ours, back)[0] == 0
    arrays = read_weights(back).arrays
    if case.startswith("tv"):
        state = {name: value.copy() for name, value in state.items()}
        for leaf in ("weight", "bias"):
            state[f"roi_heads.box_predictor.bbox_pred.{leaf}"][:4] = 0
            state[f"roi_heads.mask_predictor.mask_fcn_logits.{leaf}"][:1] = 0
    assert_same(arrays, state)


def test_fine_tuning_on_other_classes(convert, reference_state, tmp_path):
    source, out, config = tmp_path / "s.npz", tmp_path / "fine.ckpt", tmp_path / "pets.yaml"
    state = reference_state("d2_faster_rcnn_r50")
    write_state(source, state)
    config.write_text("name: pets\ndata: {root: pets, classes: [dog, gecko, cat]}\ntrain: {batch_size: 5}\n")
    status, messages = convert(source, out, "--config", config)
    assert status == 0
    assert "1 classes are new and start from initial values: gecko" in messages
    checkpoint, resolved = open_checkpoint(out, [])
    assert checkpoint.info.classes == resolved.data.classes == ("dog", "gecko", "cat")
    assert (resolved.train.batch_size, resolved.data.root, resolved.model.backbone.stride_in) == (5, "pets", "1x1")
    logits = checkpoint.parameters["box.head.class_logits.weight"].asnumpy()
    theirs = state["roi_heads.box_predictor.cls_score.weight"]
    np.testing.assert_array_equal(logits[[0, 1, 3]], theirs[[80, COCO_CLASSES.index("dog"), COCO_CLASSES.index("cat")]])
    assert 0 < np.abs(logits[2]).max() < 0.1  # initial values
    assert "  in part   box.head.deltas.bias: 1 of 3 classes" in out.with_suffix(".report.txt").read_text()


def test_backbones(convert, tmp_path):
    """detectron2's MSRA ResNet-50; its result is what model.backbone.weights takes."""
    detector = ResNet(depth=50, stride_in="1x1", norm="frozen", frozen_stages=0)
    arrays = {}
    for name, parameter in detector.parameters_dict().items():
        block, part = name.rsplit(".conv.weight", 1) if name.endswith(".conv.weight") else name.split(".norm.")
        if part in ("moving_mean", "moving_variance"):
            continue
        branch = {"conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c", "shortcut": "branch1"}
        if block == "stem.conv1":
            theirs = "res_conv1_bn" if part else "conv1"
        else:
            stage, index, layer = block.split(".")
            theirs = f"res{stage[-1]}_{index}_{branch[layer]}{'_bn' if part else ''}"
        arrays[f"{theirs}_{ {'': 'w', 'gamma': 's', 'beta': 'b'}[part] }"] = parameter.asnumpy() + np.float32(0.5)
    source, out = tmp_path / "R-50.pkl", tmp_path / "msra.ckpt"
    source.write_bytes(pickle.dumps(arrays, protocol=2))
    assert convert(source, out)[0] == 0
    config = load_config(out.with_suffix(".yaml"))
    assert (config.model.backbone.stride_in, config.model.pixel.channel_order) == ("1x1", "bgr")
    assert config.model.backbone.weights == str(out)
    load_backbone(detector, out)
    np.testing.assert_array_equal(detector.stage3[0].conv2.conv.weight.asnumpy(), arrays["res3_0_branch2b_w"])
    assert "  filled    stem.conv1.conv.weight\n" in out.with_suffix(".report.txt").read_text()


@pytest.mark.parametrize("suffix", WRITERS)
def test_state_files_read_back(suffix, tmp_path):
    state = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([1.5])}
    path = tmp_path / f"state{suffix}"
    write_state(path, state)
    assert_same(read_weights(path).arrays, state)
    with pytest.raises(InputError, match=r"ending in \.pth, \.pkl"):
        write_state(tmp_path / "state.txt", state)


class CallsPrint:
    def __reduce__(self):
        return (print, ("the file ran code",))


def test_refusals(convert, tmp_path):
    hostile, cut, other = tmp_path / "hostile.pkl", tmp_path / "cut.pth", tmp_path / "other.npz"
    hostile.write_bytes(pickle.dumps({"model": {"a": CallsPrint()}}))
    write_state(cut, {"a": np.zeros(100, np.float32)})
    cut.write_bytes(cut.read_bytes()[:-50])
    np.savez(other, **{"trunk.0.weight": np.zeros((3, 3))})
    out = tmp_path / "out.ckpt"
    for source, message in (
        (hostile, "builtins.print is not part of a state dict"),
        (cut, "damaged or incomplete"),
        (other, "wanted a detector of torchvision, .* or a backbone"),
        (tmp_path / "absent.pth", "wanted an existing file"),
    ):
        status, messages = convert(source, out)
        assert status == 2
        lines = [line for line in messages.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert re.search(message, lines[0])
        assert "Traceback" not in messages
        assert "ran code" not in messages
    assert not list(tmp_path.glob("out*"))
    assert convert(other, tmp_path / "out.pth")[0] == 2


def test_no_place_in_the_other_library(convert, made_up_state, tmp_path):
    source, ours = tmp_path / "s.npz", tmp_path / "ours.ckpt"
    write_state(source, {name: np.float32(value) for name, value in made_up_state("zoo_mask_rcnn_mobilenet").items()})
    assert convert(source, ours)[0] == 0
    status, messages = convert("--to", "detectron2", ours, tmp_path / "theirs.pkl")
    assert status == 2
    assert "detectron2 has no place for 135 parameters: backbone.stem.conv.weight" in messages
