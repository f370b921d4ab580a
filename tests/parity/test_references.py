"""Whole-model parity with detectron2, torchvision and mmdetection: same weights, same image, same numbers.

The first comparison that an assertion names is the first stage that departs.
"""

from pathlib import Path

import pytest
from mindrcnn.convert.importer import Imported

from mindrcnn.parity.case import Case, load_case
from mindrcnn.parity.run import compare_inference, compare_steps, import_case

CASES = (
    "d2_faster_rcnn_r50",
    "d2_mask_rcnn_r50",
    "d2_mask_rcnn_r101",
    "d2_point_rend_r50",
    "mm_mask_rcnn_r50",
    "mm_ms_rcnn_r50",
    "tv_faster_rcnn_r50",
    "tv_mask_rcnn_r50",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, golden: Path) -> Case:
    return load_case(golden, request.param)


@pytest.fixture(scope="module")
def imported(case: Case) -> Imported:
    return import_case(case)


def test_nothing_is_left_over(imported: Imported) -> None:
    report = imported.report
    assert (report.leftover, report.missing, report.partly) == ([], {}, {})


def test_inference(case: Case, imported: Imported) -> None:
    assert [str(one) for one in compare_inference(case, imported) if not one.holds] == []


def test_training(case: Case, imported: Imported) -> None:
    assert [str(one) for one in compare_steps(case, imported) if not one.holds] == []
