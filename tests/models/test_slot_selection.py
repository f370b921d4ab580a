"""Selection of the computed slots, and scattering of their results."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.slot_selection import SlotSelection, all_slots, gather_slots, scatter_slots, valid_slots

VALID = np.array([[True, False, True], [False, False, False], [False, True, False]])
VALUES = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2) + 1


def test_all_slots(mode: str) -> None:
    assert all_slots(Tensor(VALID)).asnumpy().tolist() == list(range(9))


def test_valid_slots() -> None:
    rows = valid_slots(Tensor(VALID))
    assert rows.asnumpy().tolist() == [0, 2, 7]
    np.testing.assert_array_equal(gather_slots(Tensor(VALUES), rows).asnumpy(), VALUES[VALID])


@pytest.mark.parametrize("choose", [all_slots, valid_slots])
@pytest.mark.parametrize("valid", [VALID, np.zeros_like(VALID), np.ones_like(VALID)], ids=["some", "none", "all"])
def test_there_and_back(choose: SlotSelection, valid: np.ndarray) -> None:
    rows = choose(Tensor(valid))
    found = scatter_slots(gather_slots(Tensor(VALUES), rows), rows, Tensor(valid)).asnumpy()
    np.testing.assert_array_equal(found, VALUES * valid[:, :, None, None])
