"""Drawing: what changes, what stays, and that nothing leaves the picture."""

import itertools
import logging

import numpy as np
import pytest

from mindrcnn.drawing import fonts, objects
from mindrcnn.drawing.captions import Caption, InSight, best_place, draw_captions
from mindrcnn.drawing.objects import DrawnObject, draw_objects, draw_pair, true_objects
from mindrcnn.drawing.palette import CROWD, class_colour, contrast, text_colour
from mindrcnn.drawing.style import Style
from mindrcnn.evaluation.paste import encode_bitmap

NAMES = ("cat", "dog", "a very long class name indeed")


@pytest.fixture
def image():
    return np.full((300, 400, 3), 100, np.uint8)


@pytest.fixture
def disc():
    rows, columns = np.mgrid[:300, :400]
    bitmap = (rows - 150) ** 2 + (columns - 200) ** 2 < 50**2
    return DrawnObject(box=(150, 100, 250, 200), label=1, score=0.9, rle=encode_bitmap(bitmap)), bitmap


def test_pixels_far_from_the_object_stay(image, disc):
    before = image.copy()
    drawn = draw_objects(image, [disc[0]], NAMES)
    changed = (drawn != before).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 100 - 25  # the caption stands on the box
    assert rows.max() < 200 + 5
    assert columns.min() > 150 - 5
    assert columns.max() < 250 + 5
    np.testing.assert_array_equal(image, before)


def test_mask_pixels_take_on_the_colour_and_still_show_the_picture(image, disc):
    one, bitmap = disc
    image[150, 200] = 250
    drawn = draw_objects(image, [one], NAMES).astype(int)
    expected = np.round(0.55 * 100 + 0.45 * np.array(class_colour(1)))
    np.testing.assert_allclose(drawn[140, 190], expected, atol=1)
    assert (drawn[150, 200] > drawn[140, 190]).any()
    assert not bitmap[110:114, 160:164].any()
    assert (drawn[110:114, 160:164] == 100).all()  # in the box, outside the mask


def test_the_box_is_drawn_in_the_class_colour(image, disc):
    one = DrawnObject(box=disc[0].box, label=2, score=0.9)
    drawn = draw_objects(image, [one], NAMES)
    assert tuple(drawn[150, 150]) == class_colour(2)
    assert tuple(drawn[200, 200]) == class_colour(2)
    assert tuple(drawn[150, 200]) == (100, 100, 100)


EDGE_BOXES = {
    "upper left": (-20, -10, 15, 12),
    "lower right": (380, 280, 450, 350),
    "whole": (0, 0, 400, 300),
    "larger": (-50, -50, 900, 900),
    "a point": (200, 100, 200, 100),
    "under a pixel": (200.2, 100.2, 200.6, 100.4),
    "outside": (500, 400, 600, 450),
}


@pytest.mark.parametrize("box", EDGE_BOXES.values(), ids=EDGE_BOXES.keys())
@pytest.mark.parametrize("label", [1, 3])
def test_boxes_at_and_over_the_edge(image, box, label):
    drawn = draw_objects(image, [DrawnObject(box=box, label=label, score=0.5)], NAMES)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (drawn != image).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (60, 4), (20, 20)])
def test_tiny_pictures(size):
    image = np.zeros((*size, 3), np.uint8)
    one = DrawnObject(box=(0, 0, size[1], size[0]), label=3, score=0.5, rle=encode_bitmap(np.ones(size, bool)))
    assert draw_objects(image, [one], NAMES).shape == image.shape


def test_an_empty_mask_and_no_objects(image):
    empty = DrawnObject(box=(10, 10, 50, 50), label=1, rle=encode_bitmap(np.zeros((300, 400), bool)))
    assert (draw_objects(image, [empty], NAMES) != image).any()
    np.testing.assert_array_equal(draw_objects(image, [], NAMES), image)


def test_thickness_and_letters_grow_with_the_picture():
    def changed_share(factor):
        image = np.full((300 * factor, 400 * factor, 3), 100, np.uint8)
        box = tuple(value * factor for value in (150, 100, 250, 200))
        return (draw_objects(image, [DrawnObject(box=box, label=1, score=0.5)], NAMES) != image).any(axis=2).mean()

    assert changed_share(4) == pytest.approx(changed_share(2), rel=0.3)


def test_predictions_below_the_score_are_not_drawn(found):
    assert [one.label for one in found.drawn_objects()] == [2, 1]
    (only,) = found[found.scores >= 0.5].drawn_objects()
    assert (only.label, only.box, only.rle) == (2, (10, 5, 30, 25), found.rle[0])


def test_true_objects_of_a_record(shared_data):
    from mindrcnn.data.formats.coco.reader import read_coco

    folder = shared_data / "coco_mini"
    dataset = read_coco(annotations=folder / "annotations" / "instances_val2017.json", images=folder / "val2017")
    record = next(record for record in dataset.records if record.crowd.any())
    objects = true_objects(record)
    assert len(objects) == len(record.boxes)
    assert [one.crowd for one in objects] == record.crowd.tolist()
    assert all(one.rle is not None and one.score is None for one in objects)
    assert {one.colour for one in objects if one.crowd} == {CROWD}
    assert CROWD not in {one.colour for one in objects if not one.crowd}
    drawn = draw_objects(np.zeros((record.height, record.width, 3), np.uint8), objects, dataset.classes)
    assert (drawn > 0).any()


def test_a_pair_shows_both_sides_and_enlarges_small_pictures():
    image = np.full((60, 80, 3), 100, np.uint8)
    truth = [DrawnObject(box=(10, 10, 30, 30), label=1, rle=encode_bitmap(np.eye(60, 80, dtype=bool)))]
    pair = draw_pair(image, truth, [], NAMES)
    assert pair.shape[0] > 6 * 60
    assert 2 * 6 * 80 < pair.shape[1] < 2 * 6 * 80 + 40
    left, right = pair[40:, : 6 * 80], pair[40:, -6 * 80 :]
    assert (left == class_colour(1)).all(axis=2).any()
    assert not (right == class_colour(1)).all(axis=2).any()


class TestPlates:
    def test_a_free_plate_stands_above_its_box(self):
        assert best_place((50, 80, 90, 120), (30, 10), (300, 400), []) == (50, 70, 80, 80)

    def test_at_the_upper_edge_it_goes_inside(self):
        assert best_place((50, 0, 90, 120), (30, 10), (300, 400), []) == (50, 0, 80, 10)

    def test_a_second_one_avoids_the_first(self):
        first = best_place((50, 80, 90, 120), (30, 10), (300, 400), [])
        second = best_place((52, 81, 91, 121), (30, 10), (300, 400), [first])
        assert second[1] >= first[3] or second[0] >= first[2]

    def test_random_places_are_inside_the_picture(self):
        rng = np.random.default_rng(0)
        taken = []
        for _ in range(300):
            corner = rng.integers(-100, 500, 2)
            anchor = (*corner.tolist(), *(corner + rng.integers(0, 200, 2)).tolist())
            left, top, right, bottom = best_place(anchor, (60, 15), (300, 400), taken[-5:])
            taken.append((left, top, right, bottom))
            assert left >= 0
            assert right <= 400
            assert top >= 0
            assert bottom <= 300

    def test_the_text_is_written_in_the_contrasting_colour(self, image):
        drawn = draw_captions(image, [Caption("Hill", (50, 100, 90, 140), (255, 255, 0))], 20)
        caption = drawn[70:100, 50:80].reshape(-1, 3)
        assert (caption == (255, 255, 0)).all(axis=1).any()
        assert (caption.max(axis=1) < 60).any()

    def test_a_long_text_is_cut_to_the_picture(self):
        image = np.zeros((30, 40, 3), np.uint8)
        drawn = draw_captions(image, [Caption("M" * 100, (0, 20, 5, 25), (255, 255, 0))], 12)
        assert drawn.shape == image.shape


class TestFonts:
    def test_letters_of_several_scripts_come_from_the_bundled_font(self):
        for text in ("cat", "Ähre", "круг", "ψάρι"):
            assert fonts.font_file(text) == fonts.bundled_font()
            assert fonts.legible_name(text, 3) == text

    def test_different_letters_look_different(self, image):
        """A missing letter is drawn as the same hollow box, whichever it is."""
        pictures = [draw_captions(image, [Caption(letter, (50, 100, 90, 140), (255, 255, 0))], 30) for letter in "кψé"]
        assert all((one != other).any() for one, other in itertools.combinations(pictures, 2))

    def test_what_no_font_can_write_becomes_the_class_number(self, caplog):
        with caplog.at_level(logging.WARNING):
            assert fonts.legible_name("\ue123\ue124", 3) == "class 3"
            assert fonts.legible_name("\ue123\ue124", 3) == "class 3"
        assert len(caplog.messages) == 1

    def test_an_installed_font_is_used_where_the_bundled_lacks_a_letter(self, monkeypatch, tmp_path):
        other = tmp_path / "other.ttf"
        monkeypatch.setattr(fonts, "_installed", lambda: (tmp_path / "damaged.ttf", other))
        monkeypatch.setattr(fonts, "_covers", lambda path, text: path == other)
        assert fonts.font_file("汉字") == other


class TestColours:
    def test_stable_and_distinct(self):
        colours = [class_colour(label) for label in range(1, 81)]
        assert colours == [class_colour(label) for label in range(1, 81)]
        assert len(set(colours)) == 80

    def test_the_first_ten_are_far_apart(self):
        colours = np.array([class_colour(label) for label in range(1, 11)], float)
        distance = np.linalg.norm(colours[:, None] - colours[None], axis=2)
        assert distance[~np.eye(10, dtype=bool)].min() > 60

    def test_text_is_readable_on_every_plate(self):
        for label in range(1, 200):
            colour = class_colour(label)
            assert contrast(text_colour(colour), colour) >= 4.5  # WCAG 2 level AA


def small_objects(step):
    """Objects of 12 pixels in a grid whose captions find no room between them if `step` is small."""
    corners = itertools.product(range(20, 380, step), range(20, 280, step))
    return [DrawnObject(box=(x, y, x + 12, y + 12), label=1, score=0.9) for x, y in corners]


@pytest.mark.parametrize("step", [16, 40, 90])
def test_captions_never_hide_a_small_object(image, step):
    objects = small_objects(step)
    boxes = np.array([one.box for one in objects], float)
    drawn = draw_objects(image, objects, NAMES)
    bare = draw_objects(image, objects, NAMES, Style(labels=False, scores=False))
    covered = (drawn != bare).any(axis=2)
    for left, top, right, bottom in boxes.astype(int):
        assert covered[top:bottom, left:right].mean() <= 0.25
    assert covered.any()  # at the border there is room


def test_an_object_keeps_its_caption_where_another_place_hides_nothing():
    objects = InSight(np.array([[50, 80, 90, 120], [50, 66, 80, 80]], float))  # the second is where it would be
    left, top, right, bottom = best_place((50, 80, 90, 120), (30, 10), (300, 400), [], objects)
    assert (left, top, right, bottom) == (50, 80, 80, 90)
    assert best_place((0, 0, 30, 10), (30, 10), (10, 30), [], InSight(np.array([[0, 0, 30, 10.0]]))) is None


def test_captions_do_not_hide_one_another():
    colours = [(200, 10 * number, 0) for number in range(20)]
    blank = [Caption(" " * 10, (30, 30, 60, 45), colour) for colour in colours]
    drawn = draw_captions(np.zeros((80, 120, 3), np.uint8), blank, 11)
    areas = [int((drawn == colour).all(axis=2).sum()) for colour in colours]
    shown = [area for area in areas if area]
    assert 2 < len(shown) < len(colours)
    assert min(shown) >= 0.8 * max(shown)


def test_letters_are_no_larger_than_small_objects_allow(monkeypatch):
    sizes = []
    monkeypatch.setattr(objects, "draw_captions", lambda picture, captions, size, **_: sizes.append(size) or picture)
    for side in (24, 100, 600):
        draw_objects(np.zeros((1024, 1280, 3), np.uint8), [DrawnObject(box=(9, 9, 9 + side, 9 + side), label=1)], NAMES)
    assert sizes == [11, 27, 27]


def test_captions_do_not_hide_an_object_together():
    objects = InSight(np.array([[20, 20, 60, 60]], float))
    corner = np.array([[10, 10, 35, 38]], float)  # covers 270 of 1600 pixels
    assert not objects.is_hidden_by(corner)
    objects.cover((40, 40, 70, 70))  # covers as many as may be
    assert objects.is_hidden_by(corner)
    assert not objects.is_hidden_by(np.array([[60, 60, 90, 90]], float))


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(), "cat 0.90"),
        (Style(labels=False), "0.90"),
        (Style(scores=False), "cat"),
        (Style(labels=False, scores=False), None),
    ],
)
def test_names_and_scores_can_be_hidden(image, disc, monkeypatch, style, text):
    written = []
    monkeypatch.setattr(
        objects, "draw_captions", lambda picture, captions, size, **_: written.extend(captions) or picture
    )
    draw_objects(image, [disc[0]], NAMES, style)
    assert [one.text for one in written] == ([text] if text else [])


def test_objects_of_a_class_have_one_colour_or_each_its_own(image):
    pair = [DrawnObject(box=(x, 100, x + 60, 160), label=1) for x in (50, 250)]
    by_class, by_instance = (
        draw_objects(image, pair, NAMES, Style(colour_by=by, labels=False)) for by in ("class", "instance")
    )
    assert tuple(by_class[130, 50]) == tuple(by_class[130, 250]) == class_colour(1)
    assert [tuple(by_instance[130, x]) for x in (50, 250)] == [class_colour(1), class_colour(2)]


def test_the_width_of_lines(image):
    one = DrawnObject(box=(100, 100, 200, 200), label=1)
    colours = [draw_objects(image, [one], NAMES, Style(line_width=width, labels=False)) for width in (1, 9)]
    thin, thick = ((drawn[150, :150] == class_colour(1)).all(axis=1).sum() for drawn in colours)
    assert (thin, thick) == (1, pytest.approx(9, abs=2))  # OpenCV rounds widths
