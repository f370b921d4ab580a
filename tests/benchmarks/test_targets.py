"""Values of targets from made-up results."""

import pytest
from benchmarks.cases import CASES
from benchmarks.targets import TARGETS, Target, compared, measured, single, verdict
from made_up import result, side

NAME = "training/x"


def target(measure: str, against: str = "") -> Target:
    return Target("what", NAME, measure, wanted=0.5, required=0.8, against=against)  # type: ignore[arg-type]


def test_time_and_memory_are_ours_over_torchvision() -> None:
    found = result(
        NAME, group="training", mindrcnn=side([1.0, 1.0, 3.0], mib=500), torchvision=side([2.0, 4.0, 4.0], mib=2000)
    )
    value = measured(target("time"), {NAME: found})
    assert value is not None
    assert (value.median, value.low, value.high) == (0.5, 0.25, 0.75)
    memory = measured(target("memory"), {NAME: found})
    assert memory is not None
    assert memory.median == 0.25


def test_compile_seconds_and_their_growth() -> None:
    found = {
        NAME: result(NAME, group="training", mindrcnn=side([1.0], compiled=30.0)),
        "small": result("small", group="training", mindrcnn=side([1.0], compiled=20.0)),
    }
    assert measured(target("compile"), found) == single(30.0)
    assert measured(target("compile growth", against="small"), found) == single(1.5)
    assert measured(target("compile growth", against="missing"), found) is None


def test_pipeline_is_the_whole_over_the_model_alone() -> None:
    ours = side([11.0, 12.0])
    ours.seconds["model alone"] = [10.0, 10.0]
    value = measured(target("pipeline"), {NAME: result(NAME, group="evaluation", mindrcnn=ours)})
    assert value is not None
    assert value.median == pytest.approx(1.15)


def test_without_torchvision_or_with_a_failure_there_is_no_value() -> None:
    alone = result(NAME, group="training", mindrcnn=side([1.0]))
    assert measured(target("time"), {NAME: alone}) is None
    assert measured(target("time"), {}) is None
    failed = result(NAME, group="training", error="died", mindrcnn=side([1.0]), torchvision=side([1.0]))
    assert compared(failed, "torchvision") is None


@pytest.mark.parametrize(("value", "word"), [(0.5, "reached"), (0.51, "allowed"), (0.8, "allowed"), (0.81, "missed")])
def test_verdict(value: float, word: str) -> None:
    ratio = single(value)
    assert ratio is not None
    assert verdict(target("time"), ratio) == word


def test_targets_are_cases_of_the_ordinary_run() -> None:
    core = {case.name for case in CASES if case.core}
    assert {target.case for target in TARGETS} <= core
    assert {target.against for target in TARGETS if target.against} <= core
