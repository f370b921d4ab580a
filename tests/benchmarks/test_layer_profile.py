"""The profile of layers: their arithmetic, their bytes, the bound, and one row measured."""

from time import perf_counter

import pytest
from benchmarks.layer_profile import Machine, layer_seconds, least_of
from benchmarks.network_layers import Layer, network_layers


def test_arithmetic_of_the_whole_network() -> None:
    """R50-FPN without its box and mask heads: torchvision counts 4.09 G multiplications for its trunk at 224x224."""
    trunk = [layer for layer in network_layers(224, 224) if layer.group[:2] in ("st", "C2", "C3", "C4", "C5")]
    # As the definition counts; our kernel computes all pixels of the three convolutions of stride 2.
    counted = sum(
        layer.count * layer.pixels * layer.weights / (4 if layer.kind == "3x3 halving" else 1) for layer in trunk
    )
    assert counted == pytest.approx(4.087e9, rel=1e-3)


@pytest.mark.parametrize(
    ("layer", "operations", "moved"),
    [
        (Layer("", "1x1", (32, 16), (4, 6)), 2 * 24 * 32 * 16, 4 * (24 * 32 + 24 * 16 + 32 * 16)),
        (Layer("", "1x1 add", (32, 16), (4, 6)), 2 * 24 * 32 * 16, 4 * (24 * 32 + 2 * 24 * 16 + 32 * 16)),
        (Layer("", "3x3", (32, 32), (4, 6), 5), 2 * 5 * 24 * 9 * 1024 / 4, 4 * (2 * 5 * 24 * 32 + 9 * 1024)),
        (Layer("", "dense", (8, 4), boxes=10), 2 * 10 * 32, 4 * (80 + 40 + 32)),
    ],
)
def test_operations_and_bytes(layer: Layer, operations: float, moved: float) -> None:
    assert (layer.operations, layer.bytes) == (operations, moved)
    machine = Machine(peak=1e3, bandwidth=1e12)
    assert machine.bound(layer) == operations / 1e3
    assert Machine(peak=1e12, bandwidth=1e3).bound(layer) == moved / 1e3


@pytest.mark.parametrize("kind", ["1x1", "1x1 add", "1x1 halving", "3x3", "3x3 halving", "two 1x1", "dense"])
def test_every_kind_of_layer_runs(kind: str) -> None:
    layer = Layer("", kind, (32, 32), (1, 1) if kind == "dense" else (4, 4))  # type: ignore[arg-type]
    assert layer_seconds(layer, least_of(1, perf_counter)) > 0
