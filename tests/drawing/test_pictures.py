"""Names of drawn pictures."""

from pathlib import Path

from mindrcnn.drawing.pictures import picture_names


def test_images_of_one_name_keep_a_picture_each() -> None:
    paths = [Path("a/1.png"), Path("b/1.jpg"), Path("c/1.png"), Path("c/1_2.png"), Path("d/2.png")]
    names = picture_names(paths)
    assert list(names) == paths
    assert len(set(names.values())) == len(paths)
    assert (names[paths[0]], names[paths[4]]) == ("1.jpg", "2.jpg")
