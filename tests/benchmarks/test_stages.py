"""The stages of both libraries at a tiny size, to show that they still fit the models they time."""

import time
from collections.abc import Iterator

import pytest
from benchmarks import stages
from benchmarks.stages import STAGES

SIZE = {"batch": 1, "height": 64, "width": 64}


@pytest.fixture
def few_layers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backbone that compiles in a fraction of ResNet's time: the stages use it as a whole."""
    from benchmarks import mindrcnn_stages
    from benchmarks.scene import CLASSES
    from few_layers import registered

    from mindrcnn.build.detector import build_detector
    from mindrcnn.build.device import set_device
    from mindrcnn.config.run import Config
    from mindrcnn.models.detector import TwoStageDetector

    load = mindrcnn_stages.open_config

    def open_config(head: str, overrides: tuple[str, ...]) -> Config:
        return load(head, (*overrides, "model.backbone={name: few_layers, norm: frozen, frozen_stages: 2}"))

    def random_detector(config: Config) -> TwoStageDetector:
        set_device(config.device, seed=0)
        return build_detector(config.model, CLASSES)

    monkeypatch.setattr(mindrcnn_stages, "open_config", open_config)
    monkeypatch.setattr(mindrcnn_stages, "random_detector", random_detector)
    with registered():
        yield


@pytest.mark.usefixtures("few_layers")
@pytest.mark.parametrize("head", ["faster_rcnn", "mask_rcnn"])
def test_our_stages_of_inference_make_up_the_whole(head: str) -> None:
    from benchmarks.mindrcnn_stages import inference

    parts = dict(inference(head=head, **SIZE).run() or {})
    total = parts.pop("total")
    assert total == pytest.approx(sum(parts.values()))
    assert set(parts) <= set(STAGES)
    assert (stages.MASK_BRANCH in parts) == (head == "mask_rcnn")


@pytest.mark.slow  # compiles training steps
@pytest.mark.usefixtures("few_layers")
def test_our_stages_of_training_make_up_the_whole() -> None:
    from benchmarks.mindrcnn_stages import training

    prepared = training(head="mask_rcnn", objects=2, **SIZE)
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
