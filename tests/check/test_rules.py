"""Rules over made-up runs, each with and without what it looks for, and over the demonstration run."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mindrcnn.check.data_rules import anchors_do_not_fit, objects_are_left_out
from mindrcnn.check.finding import Finding, NotCheckedError
from mindrcnn.check.report import RULES, apply_rules, check_run
from mindrcnn.check.run import Run, read_run
from mindrcnn.config.loader import parse_config
from mindrcnn.errors import InputError

DEMO = Path(__file__).with_name("demo_metrics.jsonl")  # every fourth row of `mindrcnn train` on the demonstration data
CONFIG = """
model: {mask: {type: mask_rcnn}}
data: {root: /path/to/nowhere, train: {name: train}}
train: {schedule: {warmup_iterations: 100}}
"""
SHARES = {"loss_rpn_cls": 0.2, "loss_rpn_box": 0.1, "loss_cls": 0.3, "loss_box_reg": 0.2, "loss_mask": 0.2}
FIT = {
    "proposal": ["model:", "  anchors:"],
    "objects_below_bg_iou": 0.01,
    "objects_below_fg_iou": 0.3,
    "object_size": [8.0, 30.0, 90.0],
    "objects_beyond_max_objects": 0,
}
Change = Callable[[dict[str, Any]], None]


def good() -> dict[str, Any]:
    """The parts of a run of 1000 steps whose loss falls from 4 to 1, with five evaluations."""
    rows: list[dict[str, Any]] = []
    for step in (1, *range(20, 1001, 20)):
        total = 1 + 3 * (1 - step / 1000) ** 2
        losses = {name: share * total for name, share in SHARES.items()}
        rates = {"lr": 0.02, "grad_norm": 3.0, "images_per_s": 10.0, "data_wait": 0.02}
        rows.append({"kind": "train", "step": step, "losses": losses, "total": total, **rates})
        if step % 200 == 0:
            numbers = {"bbox_AP": step / 2500, "bbox_AP50": step / 1500, "segm_AP": step / 2600}
            rows.append({"kind": "eval", "step": step, "metrics": numbers})
    classes = [{"name": name, "ap50": 0.5, "objects": 40} for name in ("fig", "pear", "plum")]
    results = [{"image_id": image, "score": 0.9 - 0.1 * place} for image in range(10) for place in range(8)]
    return {"rows": rows, "classes": classes, "results": results, "overrides": [], "view": dict(FIT)}


def run_of(parts: dict[str, Any]) -> Run:
    parts = copy.deepcopy(parts)
    view, overrides = parts.pop("view"), parts.pop("overrides")
    run = Run(folder=Path("runs/made_up"), config=parse_config(CONFIG, "config.yaml", overrides), **parts)
    run.__dict__["view"] = view
    return run


def train_rows(parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in parts["rows"] if row["kind"] == "train"]


def not_finite(parts: dict[str, Any]) -> None:
    row = train_rows(parts)[-1]
    row["losses"]["loss_cls"] = row["total"] = None


def rises(parts: dict[str, Any]) -> None:
    for row in train_rows(parts):
        if row["step"] > 600:
            row["total"] += (row["step"] - 600) / 100


def stays(parts: dict[str, Any]) -> None:
    for row in train_rows(parts):
        row["total"] = 4 - row["step"] / 10000


def flat(parts: dict[str, Any]) -> None:
    for row in train_rows(parts):
        row["losses"]["loss_mask"] = 0.693 + (row["step"] % 3) / 1000


def unmatched(parts: dict[str, Any]) -> None:
    for row in train_rows(parts):
        row["losses"]["loss_box_reg"] = 0.0


def finds_nothing(parts: dict[str, Any]) -> None:
    for row in parts["rows"]:
        if row["kind"] == "eval":
            row["metrics"] |= {"bbox_AP": 0.001, "bbox_AP50": 0.003}


def over_fits(parts: dict[str, Any]) -> None:
    for row, value in zip((row for row in parts["rows"] if row["kind"] == "eval"), (20, 31, 29, 27, 26), strict=True):
        row["metrics"]["segm_AP"] = value / 100


def loses_a_class(parts: dict[str, Any]) -> None:
    parts["classes"][1]["ap50"] = 0.0


def anchors(parts: dict[str, Any]) -> None:
    parts["view"]["objects_below_bg_iou"] = 0.4


def many_objects(parts: dict[str, Any]) -> None:
    parts["view"]["objects_beyond_max_objects"] = 17


def high_threshold(parts: dict[str, Any]) -> None:
    parts["overrides"] = ["model.box.score_thresh=0.5"]


def few_slots(parts: dict[str, Any]) -> None:
    parts["overrides"] = ["model.box.detections_per_image=8", "model.box.score_thresh=0.01"]


def slow_data(parts: dict[str, Any]) -> None:
    for row in train_rows(parts):
        row["data_wait"] = 0.45


CASES: dict[str, tuple[Change, str]] = {
    "not_finite": (not_finite, "metrics.jsonl, step 1000: loss_cls is null in 1 rows"),
    "learning_rate_too_high": (
        rises,
        "metrics.jsonl, total, steps 560 to 640: 1.602, its least; steps 920 to 1000: 4.607",
    ),
    "loss_does_not_fall": (stays, "metrics.jsonl, total, steps 120 to 180: 3.985; steps 920 to 1000: 3.904; step 1: 4"),
    "one_loss_is_flat": (
        flat,
        "metrics.jsonl, loss_mask, steps 120 to 180: 0.6937; steps 920 to 1000: 0.6942; all ",
    ),
    "nothing_is_matched": (unmatched, "metrics.jsonl, loss_box_reg, steps 20 to 1000: at most 0, so no proposal"),
    "evaluation_finds_nothing": (finds_nothing, "metrics.jsonl, bbox_AP50: 0.0030 at step 1000"),
    "over_fitting": (over_fits, "metrics.jsonl, segm_AP: 0.3100 at step 400, the best; 0.2600 at step 1000"),
    "classes_never_found": (loses_a_class, "eval/metrics.json, bbox AP50 is 0: pear (0 of 40 objects)"),
    "anchors_do_not_fit": (anchors, "data.train: 40% of the objects have no anchor of IoU 0.3 "),
    "objects_are_left_out": (many_objects, "data.train: 17 objects are beyond the 128 of an image"),
    "score_threshold": (high_threshold, "config.yaml, model.box.score_thresh: 0.5"),
    "detections_are_cut": (few_slots, "eval/results.json: 10 of 10 images have 8 detections"),
    "waits_for_data": (slow_data, "metrics.jsonl, data_wait, steps 120 to 1000: 45% of the time"),
}


def test_every_rule_has_a_case() -> None:
    assert [rule.__name__ for rule in RULES] == list(CASES)


def test_a_good_run_has_no_findings() -> None:
    assert apply_rules(run_of(good())) == ({}, {})


@pytest.mark.parametrize("name", CASES)
def test_a_rule_finds_its_case_and_no_other_does(name: str) -> None:
    change, evidence = CASES[name]
    parts = good()
    change(parts)
    findings, not_checked = apply_rules(run_of(parts))
    assert list(findings) == [name]
    assert not not_checked
    assert any(fact.startswith(evidence) for fact in findings[name].evidence), findings[name].evidence
    assert findings[name].advice.endswith(".") or name == "anchors_do_not_fit"


def one_high_row(parts: dict[str, Any]) -> None:
    train_rows(parts)[35]["total"] += 3


def small_flat_loss(parts: dict[str, Any]) -> None:
    for row in train_rows(parts):
        row["losses"]["loss_rpn_box"] = 0.01


def one_worse_evaluation(parts: dict[str, Any]) -> None:
    parts["rows"].append({"kind": "eval", "step": 1000, "metrics": {"segm_AP": 0.3}})


def rare_class(parts: dict[str, Any]) -> None:
    parts["classes"].append({"name": "rare", "ap50": 0.0, "objects": 2})


def no_better_anchors(parts: dict[str, Any]) -> None:
    parts["view"] |= {"objects_below_bg_iou": 0.4, "proposal": []}


def one_full_image(parts: dict[str, Any]) -> None:
    parts["results"] += [{"image_id": 0, "score": 0.5}] * 200
    parts["results"] += [{"image_id": image, "score": 0.5} for image in range(10, 30)]


@pytest.mark.parametrize(
    "change", [one_high_row, small_flat_loss, one_worse_evaluation, rare_class, no_better_anchors, one_full_image]
)
def test_no_alarm_for_what_is_usual(change: Change) -> None:
    parts = good()
    change(parts)
    assert apply_rules(run_of(parts)) == ({}, {})


def test_too_little_to_judge() -> None:
    parts = good()
    parts |= {"rows": parts["rows"][:8], "classes": [], "results": []}
    findings, not_checked = apply_rules(run_of(parts))
    assert not findings
    assert {"learning_rate_too_high", "over_fitting", "classes_never_found", "detections_are_cut"} <= set(not_checked)
    assert (
        "metrics.jsonl: wanted at least 20 rows with total after the warm-up, got " in not_checked["loss_does_not_fall"]
    )


@pytest.fixture
def demo_run(tmp_path: Path) -> Path:
    folder = tmp_path / "demo_run"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text(DEMO.read_text())
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def test_no_false_alarm_on_the_demonstration_run(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_run(demo_run, json_file=demo_run / "check.json") == 0
    report = json.loads((demo_run / "check.json").read_text())
    assert report["findings"] == []
    assert set(report["not_checked"]) == {
        *("over_fitting", "classes_never_found", "detections_are_cut"),  # of two evaluations whose files are not here
        *("anchors_do_not_fit", "objects_are_left_out"),
    }
    printed = capsys.readouterr().out
    assert printed.startswith(f"{demo_run}: 2000 steps, 2 evaluations\n")
    assert "0 findings of 8 rules" in printed


def test_a_finding_is_printed_with_its_evidence_and_advice(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_run(demo_run, ["model.box.score_thresh=0.5"], json_file=demo_run / "check.json") == 0
    printed = capsys.readouterr().out
    assert (
        "the score threshold lowers AP (score_threshold)\n  config.yaml, model.box.score_thresh: 0.5\n  > AP is"
        in printed
    )
    (finding,) = json.loads((demo_run / "check.json").read_text())["findings"]
    assert set(finding) == {"rule", "title", "evidence", "advice"}


@pytest.mark.parametrize("rule", [anchors_do_not_fit, objects_are_left_out])
def test_data_that_cannot_be_read(rule: Callable[[Run], Finding | None], demo_run: Path) -> None:
    with pytest.raises(NotCheckedError, match=r"the training data cannot be read: .*nowhere"):
        rule(read_run(demo_run))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics.jsonl", "", "metrics.jsonl: wanted the rows of a run, got none"),
        (
            "metrics.jsonl",
            '{"kind": "train", "step": 1, "losses": {"a": "b"}}\n',
            "metrics.jsonl: wanted the rows of a run",
        ),
        ("eval/results.json", '[{"image_id": []}]', "results.json: wanted what an evaluation writes"),
        ("eval/metrics.json", '{"bbox": {"per_class": [3]}}', "metrics.json: wanted what an evaluation writes"),
    ],
)
def test_damaged_files(demo_run: Path, file: str, text: str, message: str) -> None:
    (demo_run / "eval").mkdir()
    (demo_run / file).write_text(text)
    with pytest.raises(InputError, match=message):
        read_run(demo_run)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run: wanted a run folder with config\.yaml, got "):
        read_run(tmp_path)


def test_the_best_metric_is_the_configurations() -> None:
    run = run_of(good())
    assert run.best_metric == "segm_AP"
    boxes = replace(run.config, eval=replace(run.config.eval, best_metric="bbox"))
    assert replace(run, config=boxes).best_metric == "bbox_AP"
