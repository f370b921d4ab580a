"""Which slots are computed, and where their results go."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.slot_selection import RowChoice, all_rows, put_back, take, valid_rows

VALID = np.array([[True, False, True], [False, False, False], [False, True, False]])
VALUES = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2) + 1


def test_all_rows(mode: str) -> None:
    assert all_rows(Tensor(VALID)).asnumpy().tolist() == list(range(9))


def test_valid_rows() -> None:
    rows = valid_rows(Tensor(VALID))
    assert rows.asnumpy().tolist() == [0, 2, 7]
    np.testing.assert_array_equal(take(Tensor(VALUES), rows).asnumpy(), VALUES[VALID])


@pytest.mark.parametrize("choose", [all_rows, valid_rows])
@pytest.mark.parametrize("valid", [VALID, np.zeros_like(VALID), np.ones_like(VALID)], ids=["some", "none", "all"])
def test_there_and_back(choose: RowChoice, valid: np.ndarray) -> None:
    rows = choose(Tensor(valid))
    found = put_back(take(Tensor(VALUES), rows), rows, Tensor(valid)).asnumpy()
    np.testing.assert_array_equal(found, VALUES * valid[:, :, None, None])
