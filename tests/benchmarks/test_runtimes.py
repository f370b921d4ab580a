"""The table of runtimes, of made-up detectors."""

from typing import Any

import numpy as np
from benchmarks import runtimes
from numpy.typing import NDArray

from mindrcnn.config.loader import parse_config
from mindrcnn.image_detector import Detector
from mindrcnn.tasks.speed import Workload


def test_the_table_has_medians_and_ratios_to_the_first_cell() -> None:
    rates = {
        1: {"MindSpore": [1.0, 2.0, 4.0], "OpenVINO": [2.0, 4.0, 4.0]},
        2: {"MindSpore": [1.0, 1.0, 1.0], "OpenVINO": [3.0, 3.0, 3.0]},
    }
    assert "\n".join(runtimes.rows(rates)).splitlines() == [
        "| Images per call | MindSpore | OpenVINO |",
        "|---|---|---|",
        "| 1 | 2.00 (1.00) | 4.00 (2.00) |",
        "| 2 | 1.00 (0.50) | 3.00 (1.50) |",
    ]


def test_runtimes_take_turns_with_the_same_images() -> None:
    calls: list[tuple[str, NDArray[np.uint8]]] = []

    def detector(name: str) -> Detector:
        def predict(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
            calls.append((name, images))
            empty = np.zeros((len(images), 0), np.float32)
            return np.zeros((len(images), 0, 4), np.float32), empty, empty.astype(np.int32), empty.astype(bool)

        config = parse_config("data: {buckets: [[32, 64]], short_side: 32}", "test")
        return Detector(predict=predict, config=config, classes=("a",), category_ids=(1,))

    workloads = [Workload(batch=count, size=(32, 64), warm_up=1, calls=2) for count in (1, 3)]
    rates = runtimes.measure({"a": detector("a"), "b": detector("b")}, workloads, rounds=2)
    assert [name for name, _ in calls] == ["a", "b"] * 6
    assert [len(images) for _, images in calls] == [1, 1, 3, 3] * 3
    for (_, images), (_, others) in zip(calls[::2], calls[1::2], strict=True):
        np.testing.assert_array_equal(images, others)
    assert {count: [len(values) for values in found.values()] for count, found in rates.items()} == {
        1: [2, 2],
        3: [2, 2],
    }
    times = iter(range(100))
    one = runtimes.measure({"a": detector("a")}, workloads[1:], rounds=2, clock=lambda: next(times))
    assert one == {3: {"a": [3.0, 3.0]}}
