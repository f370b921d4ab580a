"""Finding the images of an inference run, and taking those that Python code hands over."""

import numpy as np
import pytest
from PIL import Image

from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import as_source, find_images


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


@pytest.mark.parametrize("kind", ["path", "text", "picture", "array"])
def test_an_image_as_a_source(tmp_path, kind):
    pixels = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = {
        "path": tmp_path / "a.png",
        "text": str(tmp_path / "a.png"),
        "picture": Image.fromarray(pixels),
        "array": pixels[:, ::-1].copy()[:, ::-1],  # not contiguous
    }[kind]
    source = as_source(image)
    assert source.size == (6, 5)
    np.testing.assert_array_equal(source.image(), pixels)


@pytest.mark.parametrize(
    ("image", "got"),
    [
        (np.zeros((4, 4, 3), np.float32), r"shape \(4, 4, 3\) of type float32"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (3, "got int"),
    ],
)
def test_what_is_no_image_is_refused(image, got):
    with pytest.raises(InputError, match=f"photo: wanted .*{got}"):
        as_source(image, name="photo")
