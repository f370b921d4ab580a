"""The stages of both libraries at a tiny size, to show that they still fit the models they time."""

import time

import pytest
from benchmarks import stages
from benchmarks.stages import STAGES

SIZE = {"batch": 1, "height": 64, "width": 64}


@pytest.mark.slow  # compiles a training step
@pytest.mark.parametrize("head", ["faster_rcnn", "mask_rcnn"])
def test_our_stages_make_up_the_whole(head: str) -> None:
    from benchmarks.mindrcnn_stages import inference, training

    parts = dict(inference(head=head, **SIZE).run() or {})
    total = parts.pop("total")
    assert total == pytest.approx(sum(parts.values()))
    assert set(parts) <= set(STAGES)
    assert (stages.MASK_BRANCH in parts) == (head == "mask_rcnn")

    prepared = training(head=head, objects=2, **SIZE)
    parts = dict(prepared.run() or {})
    assert parts.pop("total") == pytest.approx(sum(parts.values()))
    assert {stages.BACKWARD, stages.OPTIMIZER, stages.SAMPLING} < set(parts) <= set(STAGES)
    assert prepared.facts()["positives"][0] >= 2


def test_their_stages_make_up_the_whole() -> None:
    pytest.importorskip("torchvision")
    from benchmarks.torchvision_stages import inference, training

    for build, more in ((inference, {}), (training, {"objects": 2})):
        prepared = build(head="mask_rcnn", **SIZE, **more)
        prepared.run()
        started = time.perf_counter()
        parts = dict(prepared.run() or {})
        assert sum(parts.values()) == pytest.approx(time.perf_counter() - started, rel=0.05)
        assert set(parts) <= set(STAGES)
        assert parts[stages.BACKBONE] > 0


def test_an_inner_stage_does_not_count_for_the_outer_one() -> None:
    pytest.importorskip("torchvision")
    from benchmarks.torchvision_stages import StageClock

    clock = StageClock()
    with clock.stage("outer"):
        time.sleep(0.02)
        with clock.stage("inner"):
            time.sleep(0.05)
    taken = clock.read_and_reset()
    assert taken["outer"] < 0.05 <= taken["inner"]
    assert clock.read_and_reset() == {}
