"""From images to batches, and from padded network outputs to detections in original pixels."""

import logging

import cv2
import numpy as np
import pytest
from PIL import Image

from mindrcnn import predictor
from mindrcnn.config.loader import parse_config
from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.errors import InputError
from mindrcnn.evaluation.paste import decode
from mindrcnn.image_detector import Picture, as_source, image_detections, undo_resize


@pytest.mark.parametrize("original", [(480, 640), (427, 640), (1000, 333), (97, 41)])
def test_undo_resize_is_the_inverse_of_resizing(original):
    height, width = original
    scale = 800 / min(original)
    valid = (round(height * scale), round(width * scale))  # each side is rounded by itself
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 1, (50, 2, 2)), axis=1) * (width, height)
    boxes = corners.reshape(50, 4)
    resized = boxes * np.array([valid[1] / width, valid[0] / height] * 2)
    np.testing.assert_allclose(undo_resize(resized.astype(np.float32), valid, original), boxes, atol=2e-4)


def test_undo_resize_clips_to_the_original_image():
    boxes = np.array([[-5, -8, 220, 130]], np.float32)
    np.testing.assert_array_equal(undo_resize(boxes, (100, 200), (50, 100)), [[0, 0, 100, 50]])


def test_undo_resize_of_nothing():
    assert undo_resize(np.zeros((0, 4), np.float32), (10, 10), (20, 20)).shape == (0, 4)


@pytest.fixture
def outputs():
    """Batch of two images, four slots; of the second image's, slot 1 is unused and slot 3 lies in the padding."""
    boxes = np.zeros((2, 4, 4), np.float32)
    boxes[1] = [[10, 10, 30, 20], [1, 2, 3, 4], [0, 0, 200, 100], [210, 10, 250, 20]]
    scores = np.array([[0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6]], np.float32)
    labels = np.array([[0, 0, 0, 0], [3, 1, 2, 1]], np.int32)
    valid = np.array([[False] * 4, [True, False, True, True]])
    masks = np.arange(2 * 4 * 4, dtype=np.float32).reshape(2, 4, 2, 2)
    return boxes, scores, labels, valid, masks


def test_only_used_slots_with_area_come_out(outputs):
    found = image_detections(outputs, 1, valid_size=(100, 200), original_size=(50, 400))
    np.testing.assert_array_equal(found.boxes, [[20, 5, 60, 10], [0, 0, 400, 50]])
    np.testing.assert_array_equal(found.labels, [3, 2])
    np.testing.assert_array_equal(found.scores, np.array([0.9, 0.7], np.float32))
    np.testing.assert_array_equal(found.box_masks, outputs[4][1, [0, 2]])
    assert found.mask_scores is None


def test_an_image_without_detections(outputs):
    assert len(image_detections(outputs, 0, valid_size=(100, 200), original_size=(50, 400))) == 0


def test_a_box_only_detector_has_no_masks(outputs):
    assert image_detections(outputs[:4], 1, valid_size=(100, 200), original_size=(50, 400)).box_masks is None


def test_mask_scores_that_repeat_the_scores_are_dropped(outputs):
    found = image_detections((*outputs, outputs[1].copy()), 1, valid_size=(100, 200), original_size=(50, 400))
    assert found.mask_scores is None
    assert found.iou_scores is None


def test_mask_scores_give_the_predicted_iou(outputs):
    iou = np.array([0.5, 0.1, 0.25, 0.75], np.float32)
    found = image_detections((*outputs, outputs[1] * iou), 1, valid_size=(100, 200), original_size=(50, 400))
    np.testing.assert_allclose(found.iou_scores, [0.5, 0.25], rtol=1e-6)


def test_the_predicted_iou_of_score_zero_is_zero(outputs):
    boxes, scores, *rest = outputs
    scores = np.zeros_like(scores)
    found = image_detections((boxes, scores, *rest, scores + 0.5), 1, valid_size=(100, 200), original_size=(50, 400))
    np.testing.assert_array_equal(found.iou_scores, [0, 0])


CONFIG = """
data: {buckets: [[32, 64], [64, 32]], short_side: 32}
eval: {batch_size: 2}
device: {mode: pynative}
"""


class OneObjectEach:
    """A stand-in for NumpyPredictor that sees one object in every image, in its left upper corner; the score tells the
    grey of the image's first pixel."""

    def __init__(self, *, detector=None, probability=1.0, outputs=6):
        self.shapes = []
        self.probability = probability
        self.outputs = outputs

    def __call__(self, images, image_sizes):
        self.shapes.append(images.shape)
        count = len(images)
        boxes = np.tile(np.array([[0, 0, 16, 16], [0, 0, 0, 0]], np.float32), (count, 1, 1))
        scores = np.stack([images[:, 0, 0, 0] / np.float32(255), np.zeros(count, np.float32)], axis=1)
        labels = np.tile(np.array([2, 0], np.int32), (count, 1))
        masks = np.full((count, 2, 28, 28), self.probability, np.float32)
        return (boxes, scores, labels, labels > 0, masks, scores)[: self.outputs]


@pytest.fixture
def make_detector(monkeypatch):
    def make(overrides=(), **settings):
        monkeypatch.setattr(predictor, "NumpyPredictor", lambda detector: OneObjectEach(**settings))
        config = parse_config(CONFIG, "test", overrides)
        return predictor.network_detector(
            network=None, config=config, classes=("hazelnut", "fig"), category_ids=(5, 90)
        )

    return make


class CandidatesOfOneObject:
    """A stand-in for NumpyStages: two boxes of different labels that overlap by 0.8, and masks of 0.25."""

    def __init__(self, *, detector, convert):
        self.converted = convert is not None

    def candidates(self, images, image_sizes):
        count = len(images)
        boxes = np.tile(np.array([[0, 0, 20, 20], [0, 0, 20, 16]], np.float32), (count, 1, 1))
        scores, labels = np.array([[0.9, 0.8]], np.float32), np.array([[1, 2]], np.int32)
        return None, (boxes, np.repeat(scores, count, axis=0), np.repeat(labels, count, axis=0))

    def masks(self, features, detections):
        return np.full((*detections[1].shape, 4, 4), 0.25, np.float32), detections[1]


@pytest.mark.parametrize(
    ("keys", "views", "scores"),
    [
        (["eval.agnostic_nms=true"], 1, [0.9]),
        (["eval.soft_nms=linear"], 1, [0.9, 0.8]),  # of different classes
        (["eval.soft_nms=linear", "eval.agnostic_nms=true"], 1, [0.9, 0.8 * 0.2]),
        (["eval.soft_nms=gaussian", "eval.agnostic_nms=true", "eval.soft_nms_sigma=2"], 1, [0.9, 0.8 * np.exp(-0.32)]),
        (["eval.tta=true"], 4, [0.9, 0.9, 0.8, 0.8]),
        (["eval.tta=true", "eval.tta_scales=[1]"], 2, [0.9, 0.9, 0.8, 0.8]),
        (["eval.tta=true", "eval.tta_merge=wbf"], 4, [0.45, 0.45, 0.4, 0.4]),
        (["eval.tta=true", "eval.tta_flips=[vertical, horizontal]"], 6, [0.9] * 3 + [0.8] * 3),
    ],
)
def test_keys_of_suppression_and_views(monkeypatch, keys, views, scores):
    monkeypatch.setattr(predictor, "NumpyStages", CandidatesOfOneObject)
    monkeypatch.setattr(predictor, "NumpyPredictor", None)
    config = parse_config(CONFIG, "test", keys)
    detector = predictor.network_detector(
        network=None, config=config, classes=("hazelnut", "fig"), category_ids=(5, 90)
    )
    assert len(detector._predict.predict.views) == views
    found = detector.predict(image(32, 64, 9))
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5)
    assert (found.box_masks == 0.25).all()


def image(height, width, grey):
    return np.full((height, width, 3), grey, np.uint8)


def greys(found):
    return [round(255 * float(one.scores[0])) for one in found]


def test_a_list_comes_back_in_its_order_batched_by_bucket(make_detector):
    detector = make_detector()
    sides = [(32, 64), (64, 32), (30, 70), (16, 32), (90, 40)]
    found = detector.predict([image(*size, grey=40 * number) for number, size in enumerate(sides)])
    assert greys(found) == [0, 40, 80, 120, 160]
    assert [one.image_size for one in found] == sides
    assert detector._predict.predict.shapes == [(2, 3, 32, 64), (2, 3, 32, 64), (2, 3, 64, 32)]


def test_one_image_is_a_batch_of_one_alone_and_in_a_list(make_detector):
    detector = make_detector()
    assert len(detector.predict(image(32, 64, 9))) == len(detector.predict([image(32, 64, 9)])[0]) == 1
    assert detector._predict.predict.shapes == [(1, 3, 32, 64)] * 2


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_what_is_compiled_is_said_before_and_timed(make_detector, caplog, mode):
    detector = make_detector([f"device.mode={mode}"])
    caplog.set_level(logging.INFO, logger="mindrcnn.compilation")
    detector.predict([image(32, 64, 1), image(32, 64, 2), image(32, 64, 3), image(64, 32, 4), image(64, 32, 5)])
    lines = ["compiling the network for 32x64 ...", "compiling the network for 64x32 ..."]
    assert caplog.messages == (lines if mode == "graph" else [])
    assert detector.compilations.images == (4 if mode == "graph" else 0)


def test_the_same_array_twice(make_detector):
    one = image(32, 64, 50)
    assert greys(make_detector().predict([one, image(32, 64, 60), one])) == [50, 60, 50]


def test_the_resize_is_undone_in_boxes_and_masks(make_detector):
    found = make_detector().predict(image(64, 128, 255))
    np.testing.assert_array_equal(found.boxes, [[0, 0, 32, 32]])
    assert found.masks.shape == (1, 64, 128)
    assert found.masks[0, :32, :32].mean() > 0.98
    assert found.masks.sum() == found.masks[0, :32, :32].sum()
    np.testing.assert_array_equal(found.masks[0], decode(found.rle[0]))


def test_a_box_only_detector(make_detector):
    found = make_detector(outputs=4).predict(image(32, 64, 1))
    assert found.masks is None
    assert found.rle is None


@pytest.mark.parametrize(("thresh", "any_pixel"), [(0.5, False), (0.3, True)])
def test_the_mask_threshold_is_used(make_detector, thresh, any_pixel):
    found = make_detector([f"eval.mask_thresh={thresh}"], probability=0.4).predict(image(32, 64, 1))
    assert found.masks.any() == any_pixel


def test_fillers_are_left_out(make_detector):
    batch = EvalBatch(
        images=np.zeros((3, 3, 32, 64), np.uint8),
        image_sizes=np.full((3, 2), (32, 64), np.int32),
        sources=(Picture(pixels=image(32, 64, 0)),) * 2,
        original_sizes=((32, 64),) * 2,
    )
    assert len(make_detector().detect(batch)) == 2


def test_kinds_of_images_are_one_image(make_detector, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    detector = make_detector()
    for given in (path, str(path), Image.fromarray(pixels), Image.open(path), pixels, pixels[:, :, ::-1][:, :, ::-1]):
        (batch,) = detector.batches([as_source(given)], batch_size=1)
        np.testing.assert_array_equal(batch.images[0], pixels.transpose(2, 0, 1))
    assert [one.path for one in detector.predict([path, pixels])] == [path, None]


def test_a_turned_photograph_is_upright_as_a_file_and_as_a_pil_image(make_detector, tmp_path):
    turned = Image.fromarray(image(40, 20, 90))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    detector = make_detector()
    assert detector.predict(tmp_path / "a.jpg").image_size == (20, 40)
    assert detector.predict(Image.open(tmp_path / "a.jpg")).image_size == (20, 40)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (np.zeros((4, 5), np.uint8), r"shape \(4, 5\) of type uint8"),
        (np.zeros((4, 5, 4), np.uint8), r"shape \(4, 5, 4\) of type uint8"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"shape \(2, 4, 5, 3\)"),
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\)"),
        (np.zeros((4, 5, 3), np.float32), "of type float32"),
        (b"bytes", "got bytes"),
        (None, "got NoneType"),
        ([], "got an empty list"),
        ([np.zeros((4, 5, 3), np.uint8), 3], "image 2 of 2: wanted .*, got int"),
        ("missing.jpg", "missing.jpg: no such image file"),
    ],
)
def test_what_is_no_image_is_refused(make_detector, given, got):
    with pytest.raises(InputError, match=got):
        make_detector().predict(given)


class TestPredictMany:
    @pytest.fixture
    def folder(self, tmp_path):
        for number, size in enumerate([(32, 64), (64, 32), (32, 64)]):
            Image.fromarray(image(*size, grey=60 * number)).save(tmp_path / f"{number}.png")
        (tmp_path / "1_broken.png").write_text("no picture")
        return tmp_path

    def test_in_order_with_unreadable_files_reported(self, make_detector, folder, caplog):
        stream = make_detector().predict_many(sorted(folder.iterdir()))
        with caplog.at_level(logging.WARNING):
            found = list(stream)
        assert [one.path.name for one in found] == ["0.png", "1.png", "2.png"]
        assert greys(found) == [0, 60, 120]
        assert stream.skipped == [folder / "1_broken.png"]
        assert "1_broken.png" in caplog.text

    @pytest.mark.parametrize("batch_size", [1, 2, 3])
    def test_batches_share_a_bucket_and_results_keep_the_order_of_the_files(self, make_detector, tmp_path, batch_size):
        for number in range(16):
            size = [(32, 64), (64, 32)][number % 3 == 1]
            Image.fromarray(image(*size, grey=10 * number)).save(tmp_path / f"{number:02}.png")
        (tmp_path / "00_broken.png").write_text("no picture")
        half = (tmp_path / "05.png").read_bytes()
        (tmp_path / "05_cut.png").write_bytes(half[: len(half) * 2 // 3])  # its size can be read
        (tmp_path / "16_cut.png").write_bytes(half[: len(half) * 2 // 3])
        detector = make_detector()
        stream = detector.predict_many(tmp_path, batch_size=batch_size)
        assert greys(stream) == [10 * number for number in range(16)]
        assert sorted(path.name for path in stream.skipped) == ["00_broken.png", "05_cut.png", "16_cut.png"]
        assert {shape[0] for shape in detector._predict.predict.shapes} == {batch_size}
        if batch_size == 2:
            assert len(detector._predict.predict.shapes) <= 10  # two windows, each with one short batch a bucket

    def test_no_batch_is_refused(self, make_detector, folder):
        with pytest.raises(InputError, match="batch_size: wanted a number above 0, got 0"):
            make_detector().predict_many(folder, batch_size=0)

    @pytest.mark.parametrize("form", [str, lambda folder: folder, lambda folder: str(folder / "*.png")])
    def test_a_folder_or_a_glob(self, make_detector, folder, form):
        assert len(list(make_detector().predict_many(form(folder)))) == 3

    def test_a_generator_of_names(self, make_detector, folder):
        assert greys(make_detector().predict_many(str(path) for path in [folder / "2.png", folder / "0.png"])) == [
            120,
            0,
        ]

    def test_it_streams_and_can_be_left(self, make_detector, folder):
        detector = make_detector()
        stream = detector.predict_many(folder)
        assert next(stream).path.name == "0.png"
        assert len(detector._predict.predict.shapes) == 1

    def test_a_missing_folder_is_refused_at_once(self, make_detector, tmp_path):
        with pytest.raises(InputError, match="nowhere"):
            make_detector().predict_many(tmp_path / "nowhere")


def test_repr_tells_what_it_finds(make_detector):
    text = repr(make_detector(["model.mask={type: mask_rcnn}"]))
    assert "boxes and masks" in text
    assert "2 classes (hazelnut, fig)" in text
    assert make_detector().class_names == ("hazelnut", "fig")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((4, 5, 3), 0.5), r"wanted an RGB array .* of type uint8, got shape \(4, 5, 3\) of type float64"),
        (np.zeros((4, 5), np.uint8), r"wanted an RGB array \(height, width, 3\) .*, got shape \(4, 5\) of type uint8"),
        (np.zeros((4, 5, 1), np.uint8), r"got shape \(4, 5, 1\) of type uint8"),
        (Image.fromarray(np.full((4, 5), 0.5, np.float32)), "wanted pixels of 8 or 16 bits, got floating-point"),
        (Image.fromarray(np.full((4, 5), 200, np.int32)), "wanted pixels of 8 or 16 bits, got some of 32"),
    ],
)
def test_an_array_that_is_no_rgb_image_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        as_source(image)


def test_tiles_of_one_image_of_several_and_of_a_stream(make_detector, tmp_path):
    pixels = image(64, 128, 90)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    detector = make_detector()
    alone = detector.predict(pixels, tiles=64, overlap=0.5)
    assert alone.image_size == (64, 128)
    assert alone.masks.shape == (len(alone), 64, 128)
    several = detector.predict([pixels, pixels], tiles=64, overlap=0.5)
    streamed = list(detector.predict_many(tmp_path, tiles=64, overlap=0.5))
    for found in (*several, *streamed):
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        assert found.rle == alone.rle
    assert {shape[0] for shape in detector._predict.predict.shapes} == {1, 2}
    with pytest.raises(InputError, match="tiles: wanted a side"):
        detector.predict(pixels, tiles=1)


def test_a_video(make_detector, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 32))
    for number in range(7):
        writer.write(image(32, 64, 30 * number))
    writer.release()
    found = list(make_detector().predict_video(tmp_path / "a.avi", every=3, batch_size=2))
    assert [one.source.number for one in found] == [0, 3, 6]
    assert greys(found) == pytest.approx([0, 90, 180], abs=6)
    with pytest.raises(InputError, match=r"b.avi: no such video"):
        make_detector().predict_video(tmp_path / "b.avi")
