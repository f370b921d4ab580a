"""Training beside torchvision: which pieces run, what the table says, and what both sides start from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.training_beside import __main__ as program
from benchmarks.training_beside.piece import RESULT, SETTINGS, TORCHVISION, Run, read_result, write_json
from benchmarks.training_beside.preparation import torch_state, write_config
from benchmarks.training_beside.report import TABLE, smooth, table_lines, write_report

APS = {"mindrcnn": 0.6, "torchvision": 0.5}


def write_result(run: Run, side: str) -> None:
    """Writes a result whose box AP tells the side and the seed."""
    folder = run.side(side)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {"bbox_AP": APS[side] + run.seed / 10, "bbox_AP50": 0.9}
    losses = {"loss_cls": [3.0, 2.0, 1.0]}
    write_json(folder / RESULT, {"metrics": metrics, "losses": losses, "seconds": 1.0, "versions": side})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Programs that would have been started; they leave the files that the real ones leave."""
    calls: list[tuple[str, ...]] = []

    def start(python: str, module: str, *words: str) -> None:
        calls.append((python, module, *words))
        action = words[0] if module == "mindrcnn_side" else "torch"
        run = Run.of(words[:4] if action == "torch" else words[1:])
        if action == "prepare":
            write_json(run.inputs / SETTINGS, {})
        elif action != "torch":
            write_result(run, "mindrcnn" if action == "train" else TORCHVISION)

    monkeypatch.setattr(program, "start", start)
    monkeypatch.setattr("benchmarks.training_beside.report.draw_curves", lambda done, path: None)
    return calls


def test_pieces_that_are_done_are_skipped(tmp_path: Path, started: list[tuple[str, ...]]) -> None:
    words = ["--fruits-nuts", "data", "--weights", "w.npz", "--out", str(tmp_path), "--models", "mask_rcnn"]
    words += ["--torch-python", "other", "--torch-device", "cuda", "--seeds"]
    run = Run(tmp_path.resolve(), "fruits_nuts", "mask_rcnn", 0)
    write_result(run, TORCHVISION)
    assert program.main([*words, "1"]) == 0
    assert [(module, action) for _, module, action, *_ in started] == [
        ("mindrcnn_side", "prepare"),
        ("mindrcnn_side", "train"),
    ]
    started.clear()
    assert program.main([*words, "2"]) == 0
    seeds = {words[-2] if module == "torchvision_side" else words[-1] for _, module, *words in started}
    assert seeds == {"1"}  # the second seed alone
    assert [(python == "other", words[-1] == "cuda") for python, *words in started] == [
        (False, False),
        (True, True),
        (False, False),
        (False, False),
    ]
    assert "| fruits_nuts | `mask_rcnn` | torchvision | 2 | 0.550 (0.500 to 0.600) |" in (tmp_path / TABLE).read_text()


def test_table_of_what_is_done(tmp_path: Path) -> None:
    runs = [Run(tmp_path, "fruits_nuts", "faster_rcnn", seed) for seed in range(3)]
    for run in runs[:2]:
        write_result(run, "mindrcnn")
    done = {run: {"mindrcnn": read_result(run.side("mindrcnn"))} for run in runs[:2]}
    _, _, *rows = table_lines(done)
    assert rows == [
        "| fruits_nuts | `faster_rcnn` | MindRCNN | 2 | 0.650 (0.600 to 0.700) | 0.900 (0.900 to 0.900) |  |  | 1 s |"
    ]
    assert write_report(runs, tmp_path).splitlines()[2:] == [*rows, "", "* MindRCNN: mindrcnn"]
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_curve_is_smoothed_over_its_own_length() -> None:
    np.testing.assert_allclose(smooth([3.0, 2.0, 1.0]), [2.0])
    assert len(smooth([1.0] * 20)) == 6


def test_no_data_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.parse(["--weights", "w.npz"])
    assert "--fruits-nuts" in capsys.readouterr().err


def test_names_of_the_initial_weights() -> None:
    parameters: dict[str, Any] = {
        "backbone.stage2.0.depthwise.conv.weight": np.ones((32, 1, 3, 3), np.float32),
        "backbone.stage2.0.depthwise.norm.moving_mean": np.ones(32, np.float32),
        "neck.laterals.1.bias": np.ones(4, np.float32),
        "box.head.deltas.bias": np.ones(8, np.float32),
        "box.head.class_logits.weight": np.ones((3, 5), np.float32),
        "box.head.class_logits.bias": np.arange(3, dtype=np.float32),
    }
    state = torch_state(parameters)
    assert set(state) == {
        "backbone.body.stage2.0.depthwise.conv.weight",
        "backbone.body.stage2.0.depthwise.norm.running_mean",
        "backbone.fpn.inner_blocks.1.0.bias",
        "roi_heads.box_predictor.bbox_pred.bias",
        "roi_heads.box_predictor.cls_score.weight",
        "roi_heads.box_predictor.cls_score.bias",
    }
    np.testing.assert_array_equal(state["roi_heads.box_predictor.bbox_pred.bias"], [0] * 4 + [1] * 8)


def test_configuration_has_the_conventions_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.training_beside import preparation

    splits = {"train": {"name": "train"}, "val": {"name": "val"}, "root": "data"}
    monkeypatch.setitem(preparation.SPLITS, "fruits_nuts", lambda folder, out: splits)
    run = Run(tmp_path, "fruits_nuts", "faster_rcnn", 2)
    run.inputs.mkdir(parents=True)
    config = write_config(run, data=tmp_path, weights="w.npz", steps=40, short_side=192)
    model, train = config.model, config.train
    assert (model.backbone.name, model.backbone.weights, model.mask) == ("mobilenet_v1", "w.npz", None)
    assert (model.anchors.rounded, model.roi_align.aligned, model.rpn.normalizer) == (True, False, "sampled")
    assert model.rpn.smooth_l1_beta == model.box.smooth_l1_beta == 1 / 9
    assert (train.seed, train.schedule.length, train.schedule.warmup_iterations) == (2, 40, 10)
    assert (config.data.augment.flip_prob, config.data.buckets) == (0.0, ((192, 256), (256, 192)))
    assert train.optimizer.decay_norm_and_bias
