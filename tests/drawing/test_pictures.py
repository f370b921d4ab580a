"""Names of drawn pictures."""

from pathlib import Path

import numpy as np
import pytest

from mindrcnn.drawing.pictures import PictureTooLarge, encode_picture, picture_names


def test_images_of_one_name_keep_a_picture_each() -> None:
    paths = [Path("a/1.png"), Path("b/1.jpg"), Path("c/1.png"), Path("c/1_2.png"), Path("d/2.png")]
    names = picture_names(paths)
    assert list(names) == paths
    assert len(set(names.values())) == len(paths)
    assert (names[paths[0]], names[paths[4]]) == ("1.jpg", "2.jpg")


def test_twenty_thousand_images_of_one_name_are_named_in_a_moment() -> None:
    names = picture_names(Path(f"{number}/a.png") for number in range(20_000))
    assert len(set(names.values())) == 20_000
    assert list(names.values())[-1] == "a_20000.jpg"


def test_long_names_leave_room_for_what_is_put_around_them() -> None:
    first, second = picture_names([Path("é" * 127 + ".png"), Path("é" * 127 + "x.png")]).values()
    assert first != second
    assert len(f".{first}.partial".encode(errors="surrogateescape")) < 255


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_a_picture_that_its_format_cannot_hold_is_named(name: str) -> None:
    with pytest.raises(PictureTooLarge, match=rf"{name}: wanted a picture of at most \d+ pixels a side"):
        encode_picture(Path(name), np.zeros((1, 65501, 3), np.uint8))
