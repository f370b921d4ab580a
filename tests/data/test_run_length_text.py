"""The check of many masks at once agrees with the one of a single mask."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mindrcnn.data import run_length_text
from mindrcnn.data.masks import run_lengths
from mindrcnn.data.run_length_text import all_valid


def masks(seed, count=30):
    random = np.random.default_rng(seed)
    packed = []
    for one in range(count):
        bitmap = random.random((17 + one, 23)) < random.random()
        packed.append(mask_api.encode(np.asfortranarray(bitmap.astype(np.uint8)))["counts"].decode())
    return packed, [(17 + one) * 23 for one in range(count)]


def test_valid_masks_are_valid_in_one_piece_and_in_several(monkeypatch):
    packed, pixels = masks(0)
    assert all_valid(packed, pixels)
    assert all_valid([], [])
    monkeypatch.setattr(run_length_text, "AT_ONCE", 2 * max(map(len, packed)))
    assert all_valid(packed, pixels)
    assert not all_valid(packed, [*pixels[:-1], 7])


def test_every_altered_mask_is_judged_as_by_itself():
    random = np.random.default_rng(1)
    packed, pixels = masks(2)
    refused = 0
    for _ in range(600):
        one = int(random.integers(len(packed)))
        text = list(packed[one])
        places = random.integers(len(text), size=random.integers(1, 3))
        for place in places:
            text[place] = chr(random.integers(44, 114)) if random.random() < 0.95 else "\u0131"
        altered = packed.copy()
        altered[one] = "".join(text)
        try:
            run_lengths(17 + one, 23, altered[one])
            valid = True
        except ValueError:
            valid = False
        refused += not valid
        assert all_valid(altered, pixels) is valid, altered[one]
    assert refused > 100


@pytest.mark.parametrize("text", ["", "o", "PPPPPPPPPPP1", "1O"])
def test_what_is_no_mask_is_refused(text):
    assert not all_valid([text], [1])
