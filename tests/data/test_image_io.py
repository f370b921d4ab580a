import os
import socket
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageOps

from mindrcnn.data import image_io
from mindrcnn.data.image_io import (
    MAX_PIXELS,
    allow_pixels,
    convert_image,
    decode_image,
    read_image,
    read_labels,
    read_size,
)
from mindrcnn.errors import InputError

ORIENTATION = 0x0112


@pytest.fixture
def picture():
    """A smooth (30, 50, 3) RGB image: red to the right, green to the bottom, blue in the middle."""
    rows, columns = np.mgrid[:30, :50]
    return np.stack([columns * 5, rows * 8, 255 - abs(columns - 25) * 10], axis=2).astype(np.uint8)


def test_colour_order_of_png_and_jpeg(picture, tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), picture[:, :, ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), picture)
    cv2.imwrite(str(tmp_path / "x.jpg"), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert abs(read_image(tmp_path / "x.jpg").astype(int) - picture).mean() < 4


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P"])
def test_grey_and_palette_have_three_channels(mode, picture, tmp_path):
    Image.fromarray(picture).convert("L").convert(mode).save(tmp_path / "x.png")
    image = read_image(tmp_path / "x.png")
    assert image.shape == (30, 50, 3)
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    assert abs(image[..., 0].astype(int).mean() - grey.mean()) < 10


def test_real_grey_jpeg(shared_data):
    folder = shared_data / "coco_mini" / "train2017"
    grey = [path for path in sorted(folder.iterdir()) if Image.open(path).mode == "L"]
    assert grey
    image = read_image(grey[0])
    assert image.shape[2] == 3
    np.testing.assert_array_equal(image[..., 0], image[..., 1])


def test_cmyk_jpeg(picture, tmp_path):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "x.jpg", quality=98)
    assert Image.open(tmp_path / "x.jpg").mode == "CMYK"
    assert abs(read_image(tmp_path / "x.jpg").astype(int) - picture).mean() < 4


def test_sixteen_bits_are_scaled(tmp_path):
    wide = np.arange(30 * 50, dtype=np.uint16).reshape(30, 50) * 40
    cv2.imwrite(str(tmp_path / "grey.png"), wide)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")[..., 1], wide >> 8)
    cv2.imwrite(str(tmp_path / "dark.png"), wide // 300)
    assert read_image(tmp_path / "dark.png").max() == 0
    cv2.imwrite(str(tmp_path / "colour.png"), np.repeat(wide[..., None], 3, axis=2))
    assert abs(read_image(tmp_path / "colour.png")[..., 0].astype(int) - (wide >> 8)).max() <= 1


def test_alpha_is_dropped(picture, tmp_path):
    Image.fromarray(np.dstack([picture, np.full((30, 50), 7, np.uint8)])).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), picture)


def save_turned(picture, path, orientation):
    """A PNG stored rotated, with the EXIF orientation that rotates it upright."""
    stored = {
        1: picture,
        3: np.rot90(picture, 2),
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, 1),  # 6: turn clockwise to see it upright
        8: np.rot90(picture, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    return stored


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_exif_orientation_is_applied(orientation, picture, tmp_path):
    path = tmp_path / "x.png"
    save_turned(picture, path, orientation)
    np.testing.assert_array_equal(read_image(path), picture)
    np.testing.assert_array_equal(read_image(path, annotated_size=(30, 50)), picture)
    assert read_size(path) == (30, 50)


@pytest.mark.parametrize("orientation", [5, 6, 8])
def test_annotations_made_on_the_unturned_image(orientation, picture, tmp_path):
    path = tmp_path / "x.png"
    stored = save_turned(picture, path, orientation)
    np.testing.assert_array_equal(read_image(path, annotated_size=(50, 30)), stored)


@pytest.mark.parametrize("orientation", [1, 6])
def test_another_size_than_annotated(orientation, picture, tmp_path):
    path = tmp_path / "x.png"
    save_turned(picture, path, orientation)
    with pytest.raises(InputError, match=r"x\.png: .*height 31 and width 50, the file has height 30 and width 50"):
        read_image(path, annotated_size=(31, 50))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.999])
def test_truncated_jpeg(share, shared_data, tmp_path):
    whole = sorted((shared_data / "coco_mini" / "val2017").iterdir())[0].read_bytes()
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"cut\.jpg: .*truncated"):
        read_image(path)


@pytest.mark.parametrize("kind", ["png", "bmp", "webp"])
def test_other_truncated_files(kind, picture, tmp_path):
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    noise = np.random.default_rng(0).integers(0, 255, picture.shape, np.uint8)
    Image.fromarray(noise).save(whole)
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(InputError, match="cut"):
        read_image(cut)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xe0"])
def test_no_image(content, tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for read in (read_image, read_size):
        with pytest.raises(InputError, match=r"x\.jpg: wanted"):
            read(path)
    with pytest.raises(InputError, match="no such image file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(InputError, match="wanted an image file, got a folder"):
        read_image(tmp_path)


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "x.tiff")
    with pytest.raises(InputError, match="floating-point"):
        read_image(tmp_path / "x.tiff")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 10\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_image_never_starts_another_program(as_bytes, tmp_path, monkeypatch):
    """Pillow hands an EPS file, whatever its name, to Ghostscript."""
    calls, programs = tmp_path / "calls", tmp_path / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho called >> '{calls}'\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    path = tmp_path / "photo.jpg"
    path.write_bytes(EPS)
    with pytest.raises(InputError, match=r"photo\.jpg: wanted an image \(JPEG, "):
        decode_image(EPS, name=path) if as_bytes else read_image(path)
    assert not calls.exists()


def test_a_pipe_or_socket_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        for name, kind in (("pipe.jpg", "a pipe"), ("socket.jpg", "a socket")):
            for read in (read_image, read_size):
                with pytest.raises(InputError, match=rf"{name}: wanted an image file, got {kind}"):
                    read(tmp_path / name)
    with pytest.raises(InputError, match="wanted an image file, got a device"):
        read_image(Path("/dev/zero"))


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp", "tiff", "webp", "gif", "ppm"])
def test_formats(kind, picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / f"x.{kind}")
    assert read_image(tmp_path / f"x.{kind}").shape == (30, 50, 3)


@pytest.mark.parametrize("kind", ["png", "tiff", "jpg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_is_turned_once(orientation, kind, picture, tmp_path):
    path = tmp_path / f"x.{kind}"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"tiffinfo": {ORIENTATION: orientation}} if kind == "tiff" else {"exif": exif, "quality": 100}
    Image.fromarray(picture).save(path, **options)
    upright = np.asarray(ImageOps.exif_transpose(_with_orientation(picture, orientation, tmp_path)))
    height, width = upright.shape[:2]
    assert read_size(path) == (height, width)
    for size in (None, (height, width)):
        image = read_image(path, annotated_size=size)
        assert image.shape == upright.shape
        assert abs(image.astype(int) - upright).mean() < 8
    if orientation > 4:  # annotated on the image as stored
        assert abs(read_image(path, annotated_size=(30, 50)).astype(int) - picture).mean() < 8
    with pytest.raises(InputError, match="the annotation says height 31 and width 50"):
        read_image(path, annotated_size=(31, 50))


def _with_orientation(picture, orientation, folder):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(picture).save(folder / "reference.png", exif=exif)
    return Image.open(folder / "reference.png")


def test_pixels_of_32_bits_are_refused(tmp_path):
    values = np.arange(256, dtype=np.int32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "x.tiff")
    with pytest.raises(
        InputError, match=r"x\.tiff: wanted a readable image: wanted pixels of 8 or 16 bits, got some of"
    ):
        read_image(tmp_path / "x.tiff")
    with pytest.raises(InputError, match="8 or 16 bits"):
        convert_image(Image.fromarray(values), name="image")


def test_an_image_of_too_many_pixels_is_refused_until_it_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (9000, 8000)).save(path)
    for read in (read_image, read_size):
        with pytest.raises(InputError, match=r"64 million pixels, got 9000 x 8000: data\.max_megapixels allows more"):
            read(path)
    try:
        allow_pixels(72_000_000)
        assert read_size(path) == (8000, 9000)
    finally:
        allow_pixels(MAX_PIXELS)


class TestPlugins:
    """Formats that Pillow reads with another package; HEIF's is stood in for by what reads PNG."""

    @pytest.fixture
    def plugin(self, monkeypatch):
        def register():
            monkeypatch.setitem(Image.OPEN, "HEIF", Image.OPEN["PNG"])
            monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])

        module = types.ModuleType("pillow_heif")
        module.register_heif_opener = register
        image_io._formats.cache_clear()
        yield module
        image_io._formats.cache_clear()

    def test_an_installed_one_is_used(self, plugin, monkeypatch):
        monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
        assert {".heic", ".heif", ".gif", ".jpg"} <= image_io.readable_suffixes()
        assert image_io.missing_plugin(".HEIC") == ""

    def test_an_absent_one_is_named(self, plugin, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        assert ".heic" not in image_io.readable_suffixes()
        assert image_io.missing_plugin(".HEIC") == "pillow-heif"
        assert image_io.missing_plugin(".jpg") == image_io.missing_plugin(".json") == ""
        (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
        with pytest.raises(InputError, match=r"another kind; pillow-heif reads \.heic: pip install pillow-heif"):
            read_image(tmp_path / "a.heic")

    def test_the_first_picture_of_a_gif(self, tmp_path):
        first, second = (Image.new("RGB", (9, 5), grey) for grey in ("white", "black"))
        first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
        assert (read_image(tmp_path / "a.gif") == 255).all()
        assert read_image(tmp_path / "a.gif").shape == (5, 9, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB"])
def test_numbers_of_objects(tmp_path: Path, mode: str) -> None:
    numbers = np.array([[0, 1], [1, 0]], np.uint8)
    image = Image.fromarray(numbers.astype(bool) if mode == "1" else numbers)
    if mode == "I;16":
        image = Image.fromarray(numbers.astype(np.uint16))
    elif mode == "RGB":  # Pascal VOC's colour of object 1
        image = Image.fromarray(np.stack([numbers * np.uint8(128), numbers * 0, numbers * 0], axis=2))
    image.save(tmp_path / "a.png")
    assert (read_labels(tmp_path / "a.png") == numbers).all()


def test_numbers_of_objects_are_whole(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.png", "TIFF")
    with pytest.raises(InputError, match=r"a.png: wanted a readable image: .*floating-point"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "P", "L", "RGBA"])
def test_a_large_image_is_converted_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (7, 5, 3), dtype=np.uint8)).convert(mode)
    picture.save(tmp_path / "a.png", transparency=3) if mode == "P" else picture.save(tmp_path / "a.png")
    whole = read_image(tmp_path / "a.png")
    monkeypatch.setattr(image_io, "STRIP", 11)  # two rows
    assert (read_image(tmp_path / "a.png") == whole).all()
