import cv2
import numpy as np
import pytest

from mindrcnn.data.formats.txt_list import read_txt
from mindrcnn.errors import InputError

CLASSES = ("fig", "plum")


@pytest.fixture
def listed(tmp_path):
    """Writes a list beside two images of 40 x 60 pixels and reads it."""
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((40, 60, 3), np.uint8))

    def read(text, classes=CLASSES):
        path = tmp_path / "list.txt"
        path.write_text(text)
        return read_txt(annotations=path, images=tmp_path, classes=classes)

    return read


def test_names_and_numbers(listed):
    dataset = listed("a.png 1,2,30.5,20,plum 0,0,5,5,1\n\nb.png\n")
    first, second = dataset.records
    assert first.boxes.tolist() == [[1, 2, 30.5, 20], [0, 0, 5, 5]]
    assert first.labels.tolist() == [2, 1]
    assert list(first.segmentations) == [None, None]
    assert (first.height, first.width, first.image_id) == (40, 60, 1)
    assert len(second.labels) == 0
    assert second.image_id == 3
    assert dataset.category_ids == (1, 2)
    assert not dataset.has_masks


def test_boxes_are_clipped_and_degenerate_ones_dropped(listed, caplog):
    record = listed("a.png -5,0,100,50,fig 10,10,10,20,fig 30,5,20,9,fig 1,1,2,2,plum").records[0]
    assert record.boxes.tolist() == [[0, 0, 60, 40], [1, 1, 2, 2]]
    assert record.labels.tolist() == [1, 2]
    assert "2 of 4 objects" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png 1,2,3,4,fig\nb.png 1,2,3,fig", r"line 2: '1,2,3,fig': wanted five values x1,y1,x2,y2,class, got 4"),
        ("a.png 1,2,3,4,5,fig", "line 1: .*got 6"),
        ("a.png 1,2,x,4,fig", "line 1: .*wanted numbers"),
        ("a.png 1,2,nan,4,fig", "line 1: .*finite"),
        ("a.png 1,2,3,4,figs", r"line 1: .*from 1 to 2, got 'figs' \(nearest: fig\)"),
        ("a.png 1,2,3,4,0", "line 1: .*from 1 to 2, got '0'"),
        ("a.png 1,2,3,4,3", "line 1: .*from 1 to 2, got '3'"),
        ("a.png\na.png", r"line 2: image a\.png is listed already in line 1"),
        ("a.png\nc.png", r"1 of 2 listed images are absent: .*c\.png"),
        ("\n\n", "got an empty file"),
    ],
)
def test_errors_name_file_and_line(listed, text, message):
    with pytest.raises(InputError, match=message) as caught:
        listed(text)
    assert "list.txt" in str(caught.value)


def test_class_list_is_needed(listed):
    with pytest.raises(InputError, match=r"wanted them in data\.classes"):
        listed("a.png 1,2,3,4,1", classes=())


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such annotation file"):
        read_txt(annotations=tmp_path / "none.txt", images=tmp_path, classes=CLASSES)
