"""Choice of classes: COCO, its subsets, other lists, and what is said about them."""

import pytest

from mindrcnn.convert.classes import choose_classes, read_class_file
from mindrcnn.convert.coco_classes import COCO_CLASSES, COCO_IDS
from mindrcnn.errors import InputError
from mindrcnn.weights.class_axes import NEW


def test_coco_has_80_classes_and_gaps():
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == len(COCO_IDS) == 80
    assert COCO_IDS[0] == 1
    assert COCO_IDS[-1] == 90
    assert dict(zip(COCO_CLASSES, COCO_IDS, strict=True))["stop sign"] == 13
    assert dict(zip(COCO_CLASSES, COCO_IDS, strict=True))["toothbrush"] == 90


def test_80_outputs_are_coco():
    choice = choose_classes(80)
    assert (choice.names, choice.category_ids, choice.sources) == (COCO_CLASSES, COCO_IDS, tuple(range(80)))
    assert choice.notes == ()


def test_90_outputs_are_category_ids():
    choice = choose_classes(90)
    assert choice.names == COCO_CLASSES
    assert choice.sources == tuple(number - 1 for number in COCO_IDS)
    assert choice.notes == ("dropped 10 outputs of category ids that COCO does not use",)


def test_part_of_coco():
    choice = choose_classes(90, wanted=("dog", "person"))
    assert choice.sources == (17, 0)
    assert choice.category_ids == (18, 1)
    assert any(note.startswith("dropped 78 classes: bicycle, car") for note in choice.notes)


def test_new_and_known_classes():
    choice = choose_classes(80, wanted=("person", "whelk"))
    assert choice.sources == (0, NEW)
    assert choice.category_ids == (1, 2)
    assert "1 classes are new and start from initial values: whelk" in choice.notes


def test_other_counts():
    assert choose_classes(3).names == ("class_1", "class_2", "class_3")
    named = choose_classes(3, wanted=("a", "b", "c"))
    assert named.sources == (0, 1, 2)
    assert choose_classes(3, wanted=("a", "b")).sources == (NEW, NEW)
    assert choose_classes(3, wanted=("b", "d", "a"), source_names=("a", "b", "c")).sources == (1, NEW, 0)


def test_faults(tmp_path):
    with pytest.raises(InputError, match="wanted 3 names, one per output of the weights, got 2"):
        choose_classes(3, source_names=("a", "b"))
    with pytest.raises(InputError, match="repeated"):
        choose_classes(3, wanted=("a", "a"))
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    with pytest.raises(InputError, match="wanted one class name a line, got none"):
        read_class_file(empty)
    with pytest.raises(InputError, match="no such file of class names"):
        read_class_file(tmp_path / "absent.txt")


def test_class_file(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("traffic light\n\n  dog \n")
    assert read_class_file(path) == ("traffic light", "dog")
