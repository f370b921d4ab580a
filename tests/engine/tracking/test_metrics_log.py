"""metrics.jsonl."""

import json
from pathlib import Path

import pytest

from mindrcnn.engine.tracking.metrics_log import MetricsLog, read_rows
from mindrcnn.errors import InputError


def test_each_row_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.write("train", step=1, losses={"a": 0.5})
    assert path.read_text() == '{"kind": "train", "step": 1, "losses": {"a": 0.5}}\n'
    log.write("eval", step=2, metrics={"AP": float("nan"), "AP50": float("inf")})
    rows = read_rows(path)
    assert rows == [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[1] == {"kind": "eval", "step": 2, "metrics": {"AP": None, "AP50": None}}


def test_rows_beyond_a_step_are_forgotten(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.forget_after(3)
    for step in (1, 3, 4):
        log.write("train", step=step, losses={"a": 0.1 * step})
        log.write("eval", step=step, metrics={})
    before = log.path.read_text().splitlines()
    log.forget_after(3)
    assert log.path.read_text().splitlines() == before[:4]
    assert [log.has_evaluation(step) for step in (1, 2, 3, 4)] == [True, False, True, False]


def test_no_file_is_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "metrics.jsonl") == []


def test_only_the_last_line_may_be_broken(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "train"}\n{"kind": "tr')
    assert read_rows(path) == [{"kind": "train"}]
    path.write_text('{"kind": "tr\n{"kind": "train"}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 1"):
        read_rows(path)


def test_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*metrics\.jsonl"):
        MetricsLog(tmp_path / "missing" / "metrics.jsonl").write("train", step=1)
