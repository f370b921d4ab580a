"""Completeness of the table of cases, and its readability by workers."""

import importlib.util
import sys
from typing import Any

import pytest
from benchmarks.case import MINDRCNN, PORTABLE, Case
from benchmarks.cases import BATCHES, CASES, HEADS, SIZES, kernel_case
from benchmarks.worker import BUILDERS, prepare


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_every_head_size_and_batch_is_there_for_inference_and_training() -> None:
    names = {case.name for case in CASES}
    for kind in ("inference", "training", "inference_stages", "training_stages"):
        for head in HEADS:
            for height, width in SIZES:
                for batch in BATCHES:
                    assert f"{kind}/{head}/{height}x{width}/batch{batch}" in names


def test_a_worker_knows_every_kind_on_every_side() -> None:
    for case in CASES:
        for side in case.sides:
            module = BUILDERS[MINDRCNN if side == PORTABLE else side][case.kind].split(":")[0]
            assert importlib.util.find_spec(module) is not None


def test_a_worker_compiles_although_an_earlier_run_kept_its_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setenv("MINDRCNN_GRAPHS", "kept")
    monkeypatch.setitem(BUILDERS[MINDRCNN], "variable", "os:getenv")
    seen: Any = prepare(MINDRCNN, kernel_case("variable", "variable", key="MINDRCNN_GRAPHS"))
    assert seen == "0"


def test_a_case_survives_the_command_line() -> None:
    for case in CASES:
        assert Case.from_json(case.to_json()) == case
