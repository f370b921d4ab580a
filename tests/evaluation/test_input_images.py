"""Finding the images of an inference run."""

import pytest

from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import find_images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "c.jpeg", "deep/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_a_folder_gives_its_own_images_sorted(folder):
    assert names(find_images(str(folder))) == ["a.png", "b.JPG", "c.jpeg"]


def test_a_glob(folder):
    assert names(find_images(str(folder / "*.j*"))) == ["c.jpeg"]
    assert names(find_images(str(folder / "**" / "*"))) == ["a.png", "b.JPG", "c.jpeg", "d.jpg"]


def test_a_single_file_needs_no_suffix(folder):
    assert names(find_images(str(folder / "notes.txt"))) == ["notes.txt"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    (tmp_path / "a[1].jpg").write_bytes(b"")
    assert names(find_images(str(tmp_path / "a[1].jpg"))) == ["a[1].jpg"]


@pytest.mark.parametrize("source", ["missing.jpg", "*.bmp", "empty"])
def test_nothing_found(folder, source):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="wanted"):
        find_images(str(folder / source))
