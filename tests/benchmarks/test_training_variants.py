"""Variants beside the default: their configurations, which runs are missing, and what the table says."""

import json
from pathlib import Path

import pytest
from benchmarks.training_beside import variants
from benchmarks.training_beside.piece import BOUNDARY, CONFIG, MASK_RCNN, MINDRCNN, RESULT, Run, write_json
from benchmarks.training_beside.preparation import BASE
from benchmarks.training_beside.variants_report import TABLE, beside, write_report

from mindrcnn.config.loader import load_config
from mindrcnn.config.yaml_tree import dump_yaml

WITHOUT_RESCORING = {"mask_ap_without_rescoring": {"AP": 0.25}}


def write_scores(run: Run, box: float, mask: float) -> None:
    """Writes what the evaluation with boundaries leaves."""
    folder = run.side(MINDRCNN) / BOUNDARY
    folder.mkdir(parents=True)
    write_json(folder / "metrics.json", {"bbox": {"AP": box}, "segm": {"AP": mask}, "boundary": {"AP": 0.5}})


def write_default(run: Run) -> None:
    """Writes the configuration of the default."""
    run.inputs.mkdir(parents=True)
    (run.inputs / CONFIG).write_text(dump_yaml({"base": str(BASE), "train": {"seed": run.seed}}), encoding="utf-8")


@pytest.mark.parametrize("name", variants.VARIANTS)
def test_a_variant_keeps_what_the_default_sets(tmp_path: Path, name: str) -> None:
    write_default(Run(tmp_path, "data", MASK_RCNN, 2))
    run = Run(tmp_path, "data", name, 2)
    variants.write_config(run)
    config, default = load_config(run.inputs / CONFIG), load_config(BASE)
    assert (config.train.seed, config.train.schedule) == (2, default.train.schedule)
    weights = "" if name in variants.LAYERS else str(tmp_path / "data/mask_rcnn/seed2/inputs/initial.ckpt")
    assert config.train.init_checkpoint == weights
    assert (config.model, config.data) != (default.model, default.data)


def test_runs_that_are_done_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(variants, "start", lambda python, *words: calls.append(words))

    def evaluate(python: str, module: str, *words: str) -> None:
        calls.append((module, words[0], words[2]))
        data, model, *_ = Path(words[2]).relative_to(tmp_path.resolve()).parts
        write_scores(Run(tmp_path.resolve(), data, model, 0), 0.5, 0.5)

    monkeypatch.setattr(variants, "run_module", evaluate)
    write_default(Run(tmp_path, "fruits_nuts", MASK_RCNN, 0))
    done = Run(tmp_path, "fruits_nuts", "giou_loss", 0)
    done.side(MINDRCNN).mkdir(parents=True)
    (done.side(MINDRCNN) / RESULT).write_text("{}", encoding="utf-8")
    words = ["--out", str(tmp_path), "--seeds", "1", "--names", "giou_loss", "ms_rcnn"]
    assert variants.main(words) == 0
    root = str(tmp_path.resolve())
    results = [
        f"{root}/fruits_nuts/{name}/seed0/mindrcnn/run/eval/results.json"
        for name in (MASK_RCNN, "giou_loss", "ms_rcnn")
    ]
    assert calls == [
        ("mindrcnn", "eval", results[0]),
        ("mindrcnn", "eval", results[1]),
        ("mindrcnn_side", "train", root, "fruits_nuts", "ms_rcnn", "0"),
        ("mindrcnn", "eval", results[2]),
    ]
    calls.clear()
    (tmp_path / TABLE).unlink()
    assert variants.main([*words, "--report-only"]) == 0
    assert not calls
    assert "| fruits_nuts | `giou_loss` | 1 |" in (tmp_path / TABLE).read_text(encoding="utf-8")


def test_table_says_where_ranges_part(tmp_path: Path) -> None:
    for seed, box in enumerate((0.5, 0.625)):
        write_scores(Run(tmp_path, "data", MASK_RCNN, seed), box, 0.75)
        scored = Run(tmp_path, "data", "ms_rcnn", seed)
        write_scores(scored, box + 0.25, 0.5)
        calibration = scored.side(MINDRCNN) / BOUNDARY / "mask_calibration.json"
        calibration.write_text(json.dumps(WITHOUT_RESCORING), encoding="utf-8")
    runs = [Run(tmp_path, "data", name, seed) for name in (MASK_RCNN, "ms_rcnn", "giou_loss") for seed in range(2)]
    same = "0.500 (0.500 to 0.500)"
    assert write_report(runs, tmp_path).splitlines()[2:] == [
        f"| data | `mask_rcnn` | 2 | 0.562 (0.500 to 0.625) | 0.750 (0.750 to 0.750) |  | {same} |",
        f"| data | `ms_rcnn` | 2 | 0.812 (0.750 to 0.875) higher | {same} lower | 0.250 (0.250 to 0.250) | {same} |",
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [((0.5, 0.7), ""), ((0.61, 0.7), "higher"), ((0.6, 0.7), ""), ((0.1, 0.39), "lower"), ((0.7,), "")],
)
def test_ranges_part_if_they_do_not_touch_and_all_seeds_are_done(values: tuple[float, ...], said: str) -> None:
    assert beside(values, (0.4, 0.6)) == said
