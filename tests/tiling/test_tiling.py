"""Tiles, and their results put together: the same objects as those of the untiled image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindrcnn.data.image_io import ImageSource, RGBImage
from mindrcnn.detections import Detections
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import Picture
from mindrcnn.evaluation.paste import decode
from mindrcnn.prediction_stream import predict_stream
from mindrcnn.tiling.merging import merge_tiles
from mindrcnn.tiling.windows import Tiling, Window, tiles_of, windows_of

HEIGHT, WIDTH = 700, 1000
GREYS = (80, 160, 240)  # of classes 1..3
CLASSES = ("nail", "screw", "bolt")


@dataclass
class Eyes:
    """A stand-in for a detector that finds the grey rectangles of an image.

    least: the smallest share of the image's longer side that it sees, as a network whose input is smaller.
    """

    least: float = 0.0
    with_masks: bool = True

    def plan(self, sources: Sequence[ImageSource], *, batch_size: int) -> Iterator[tuple[list[ImageSource], Any]]:
        for start in range(0, len(sources), batch_size):
            yield list(sources[start : start + batch_size]), None

    def prepare(self, members: Sequence[ImageSource], **_: Any) -> Any:
        return [(source, source.image()) for source in members]

    def detect(self, batch: Any) -> list[Detections]:
        return [self.look(pixels, source) for source, pixels in batch]

    def look(self, pixels: RGBImage, source: ImageSource) -> Detections:
        boxes, labels = [], []
        for label, grey in enumerate(GREYS, start=1):
            _, _, stats, _ = cv2.connectedComponentsWithStats((pixels[:, :, 0] == grey).astype(np.uint8))
            for left, top, width, height, _ in stats[1:].tolist():
                if self.least * max(pixels.shape) <= max(width, height):
                    boxes.append([left, top, left + width, top + height])
                    labels.append(label)
        areas = np.array([(right - left) * (bottom - top) for left, top, right, bottom in boxes], np.float32)
        found = Detections(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=0.5 + areas / (2 * HEIGHT * WIDTH),  # pieces score less than the whole object
            labels=np.array(labels, np.int32),
            classes=CLASSES,
            category_ids=(1, 2, 3),
            image_size=pixels.shape[:2],
            source=source,
            box_masks=np.ones((len(boxes), 14, 14), np.float32) if self.with_masks else None,
        )
        return found[np.argsort(-found.scores, kind="stable")]


def mosaic() -> RGBImage:
    """Rows of small objects 3 pixels apart, long bars, a frame-filling plate and one object in another's gap."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, x in enumerate(range(5, 980, 46)):
        for y in (10, 33, 210, 415, 640):
            image[y : y + 20, x : x + 20] = GREYS[number % 2]
    image[60:80, 12:988] = GREYS[0]  # longer than any tile, with overlaps of any width
    image[90:110, 150:420] = GREYS[1]
    image[120:200, 290:310] = GREYS[0]  # at a border of tiles of 300
    image[240:410, 30:600] = GREYS[2]  # higher and wider than the overlap
    image[440:630, 700:900] = GREYS[2]
    image[440:630, 903:960] = GREYS[2]  # beside one of its own class
    return image


def as_set(found: Detections) -> set[tuple[float, ...]]:
    return {(*box, label) for box, label in zip(found.boxes.tolist(), found.labels.tolist(), strict=True)}


@pytest.fixture(scope="module")
def photograph() -> Picture:
    return Picture(pixels=mosaic())


def one_of(eyes: Eyes, picture: ImageSource, tiling: Tiling | None) -> Detections:
    (found,) = predict_stream(eyes, [picture], batch_size=2, tiling=tiling)
    return found


class Blind(Eyes):
    """One that sees nothing in the whole image, so that what is longer than a tile has to be a union of pieces."""

    def look(self, pixels: RGBImage, source: ImageSource) -> Detections:
        found = super().look(pixels, source)
        return found[found.scores > 1] if pixels.shape[:2] == (HEIGHT, WIDTH) else found


@pytest.mark.parametrize(("side", "overlap"), [(256, 0.2), (300, 0.1), (300, 0.2), (300, 0.5), (401, 0.2)])
@pytest.mark.parametrize("with_masks", [True, False])
@pytest.mark.parametrize("kind", [Eyes, Blind])
def test_tiles_give_the_objects_of_the_untiled_image(
    photograph: Picture, side: int, overlap: float, with_masks: bool, kind: type[Eyes]
) -> None:
    """In the whole image large objects are seen alone, and tiles cut them; the untiled run sees all of them."""
    untiled = one_of(Eyes(with_masks=with_masks), photograph, None)
    found = one_of(kind(least=0.03, with_masks=with_masks), photograph, Tiling(side, overlap))
    assert as_set(found) == as_set(untiled)
    assert found.source is photograph
    assert (np.diff(found.scores) <= 0).all()
    assert found.image_size == (HEIGHT, WIDTH)
    if with_masks:
        order = {box: index for index, box in enumerate(map(tuple, untiled.boxes.tolist()))}
        for box, rle in zip(found.boxes.tolist(), found.rle or (), strict=True):
            mask, expected = decode(rle), decode((untiled.rle or [])[order[tuple(box)]])
            assert (mask & expected).sum() / (mask | expected).sum() > 0.97  # a pasted mask has round corners


def detections(boxes: Sequence[Sequence[float]], scores: Sequence[float], **further: Any) -> Detections:
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        labels=np.array(further.pop("labels", [1] * len(boxes)), np.int32),
        classes=CLASSES,
        category_ids=(1, 2, 3),
        image_size=(100, 100),
        box_masks=None,
        **further,
    )


LEFT, RIGHT, WHOLE = Window(0, 0, 100, 100), Window(80, 0, 180, 100), Window(0, 0, 180, 100)


def merged(*parts: tuple[Detections, Window]) -> Detections:
    return merge_tiles(parts, Picture(pixels=np.zeros((100, 180, 3), np.uint8)), (100, 180))


def test_a_cut_object_gives_way_to_the_whole_one_with_the_best_score() -> None:
    found = merged(
        (detections([[60, 10, 130, 50]], [0.7]), WHOLE),
        (detections([[60, 10, 100, 50]], [0.9]), LEFT),
        (detections([[0, 10, 50, 50]], [0.8]), RIGHT),
    )
    assert found.boxes.tolist() == [[60, 10, 130, 50]]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_a_weak_whole_object_does_not_swallow_strong_pieces() -> None:
    found = merged(
        (detections([[10, 10, 170, 50]], [0.1]), WHOLE),
        (detections([[60, 10, 100, 50]], [0.9]), LEFT),
        (detections([[0, 10, 50, 50]], [0.8]), RIGHT),
    )
    assert found.boxes.tolist() == [[60, 10, 130, 50]]


def test_objects_of_other_classes_and_of_one_tile_stay() -> None:
    found = merged(
        (detections([], []), WHOLE),
        (detections([[60, 10, 100, 50], [61, 10, 100, 50]], [0.9, 0.8], labels=[1, 2]), LEFT),
        (detections([[40, 60, 60, 80], [41, 60, 62, 80]], [0.7, 0.6]), RIGHT),
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    ("whole", "left", "right"),
    [
        ([], [[60, 10, 100, 50]], [[0, 10, 50, 50]]),  # pieces that agree where both tiles show them, of two classes
        ([[5, 10, 70, 50]], [[1, 10, 30, 50]], []),  # the second ends at the image's border, which cuts nothing
    ],
)
def test_neighbours_stay(whole: list[list[float]], left: list[list[float]], right: list[list[float]]) -> None:
    found = merged(
        (detections(whole, [0.9] * len(whole)), WHOLE),
        (detections(left, [0.8] * len(left)), LEFT),
        (detections(right, [0.7] * len(right), labels=[2] * len(right)), RIGHT),
    )
    assert len(found) == 2


def test_a_whole_object_does_not_lead_from_its_piece_to_a_neighbour() -> None:
    found = merged(
        (detections([[60, 10, 130, 50]], [0.7]), WHOLE),
        (detections([[60, 10, 100, 50]], [0.9]), LEFT),
        (detections([[5, 10, 60, 50]], [0.6]), RIGHT),  # an IoU of 0.56 with the first
    )
    assert found.boxes.tolist() == [[60, 10, 130, 50], [85, 10, 140, 50]]


def test_a_small_object_in_a_large_one_stays() -> None:
    found = merged((detections([[10, 10, 170, 90]], [0.9]), WHOLE), (detections([[30, 30, 50, 50]], [0.8]), LEFT))
    assert len(found) == 2


def test_predicted_mask_quality_is_kept() -> None:
    scores = np.array([0.9], np.float32)
    found = merged(
        (detections([], [], mask_scores=np.zeros(0, np.float32)), WHOLE),
        (detections([[60, 10, 100, 50]], [0.9], mask_scores=scores * np.float32(0.5)), LEFT),
    )
    assert found.iou_scores is not None
    assert found.iou_scores.tolist() == pytest.approx([0.5])
    found = merged(
        (detections([[60, 10, 130, 50]], [0.7], mask_scores=np.array([0.7 * 0.4], np.float32)), WHOLE),
        (detections([[60, 10, 100, 50]], [0.9], mask_scores=np.array([0.9 * 0.8], np.float32)), LEFT),
    )
    assert found.iou_scores is not None
    assert found.iou_scores.tolist() == pytest.approx([0.4])  # that of the mask that stands for both


def test_windows_cover_the_image_with_tiles_of_one_size() -> None:
    whole, *tiles = windows_of((700, 1000), Tiling(300, 0.2))
    assert whole == Window(0, 0, 1000, 700)
    assert {(tile.right - tile.left, tile.bottom - tile.top) for tile in tiles} == {(300, 300)}
    covered = np.zeros((700, 1000), int)
    for tile in tiles:
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert covered.min() == 1
    assert sorted({tile.left for tile in tiles}) == [0, 240, 480, 700]
    assert windows_of((300, 200), Tiling(300)) == [Window(0, 0, 200, 300)]
    assert windows_of((200, 500), Tiling(300, 0))[1:] == [Window(0, 0, 300, 200), Window(200, 0, 500, 200)]


def test_the_pixels_of_tiles_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(mosaic()).save(tmp_path / "a.png")
    reads = []
    monkeypatch.setattr(Picture, "image", lambda self: reads.append(1) or mosaic())
    tiles = list(tiles_of(Picture(path=tmp_path / "a.png"), Tiling(300)))
    for tile in tiles:
        np.testing.assert_array_equal(
            tile.image(), mosaic()[tile.window.top : tile.window.bottom, tile.window.left : tile.window.right]
        )
        assert tile.size == tile.image().shape[:2]
    assert reads == [1]
    assert [tile.is_last for tile in tiles] == [False] * (len(tiles) - 1) + [True]


def test_unreadable_images_are_skipped_once_in_tiles_too(tmp_path: Path) -> None:
    Image.fromarray(mosaic()).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2])  # its size can be read
    (tmp_path / "c.png").write_text("no picture")
    sources = [Picture(path=tmp_path / name) for name in ("b.png", "a.png", "c.png", "a.png")]
    stream = predict_stream(Eyes(), sources, batch_size=3, tiling=Tiling(300))
    assert [found.path.name for found in stream if found.path] == ["a.png", "a.png"]
    assert [path.name for path in stream.skipped] == ["b.png", "c.png"]


@pytest.mark.parametrize(
    ("side", "overlap", "message"),
    [(31, 0.2, "tiles: wanted .* at least 32 pixels, got 31"), (100, 0.95, "overlap: .*0 to 0.9, got 0.95")],
)
def test_tiles_that_make_no_sense(side: int, overlap: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tiling(side, overlap)


def test_a_selection_keeps_the_masks_of_the_whole_image() -> None:
    masks: NDArray[np.float32] = np.ones((1, 14, 14), np.float32)
    found = merged(
        (replace(detections([], []), box_masks=masks[:0]), WHOLE),
        (replace(detections([[60, 10, 100, 50]], [0.9]), box_masks=masks), LEFT),
        (replace(detections([[0, 10, 50, 50]], [0.8]), box_masks=masks), RIGHT),
    )
    assert found.has_masks
    assert found[0].rle == found.rle
    assert found[:0].masks is not None
    assert found.masks is not None
    assert found.masks[0, 12:48, 62:128].all()
