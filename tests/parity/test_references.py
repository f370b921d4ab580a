"""Whole-model parity with detectron2, torchvision and mmdetection: same weights, same image, same numbers.

The first comparison that an assertion names is the first stage that departs.
"""

from pathlib import Path

import pytest
from parity.run import compare_case

# Case -> how many of its three training steps. The first has every loss and gradient; the others add the optimizer, the
# same for all models of a library. `python -m parity` compares all.
CASES = {
    "d2_faster_rcnn_r50": 3,
    "d2_mask_rcnn_r50": 3,
    "d2_mask_rcnn_r101": 1,
    "d2_point_rend_r50": 1,
    "mm_mask_rcnn_r50": 3,
    "mm_ms_rcnn_r50": 1,
    "tv_faster_rcnn_r50": 3,
    "tv_mask_rcnn_r50": 3,
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", CASES)
def test_every_stage(golden: Path, name: str) -> None:
    _, comparisons = compare_case(golden, name, steps=CASES[name])
    assert len(comparisons) > 20
    assert [str(one) for one in comparisons if not one.holds] == []


def test_portable_operators_give_the_same(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests use the C++ kernels where they can be built. One step has every gradient."""
    monkeypatch.setenv("MINDRCNN_NATIVE", "0")
    _, comparisons = compare_case(golden, "d2_mask_rcnn_r50", steps=1)
    assert [str(one) for one in comparisons if not one.holds] == []
