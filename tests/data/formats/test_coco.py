import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.layout import find_split
from mindrcnn.data.masks import Polygons, RunLengths
from mindrcnn.data.record import training_records
from mindrcnn.data.transforms.target import Target
from mindrcnn.errors import InputError


def read(written, **options):
    annotations, images = written
    return read_coco(annotations=annotations, images=images, **options)


def test_category_ids_with_gaps_become_labels_by_ascending_id(content, write_coco):
    dataset = read(write_coco(content))
    assert dataset.classes == ("fig", "plum", "pear")
    assert dataset.category_ids == (2, 17, 90)
    first, second = dataset.records
    assert (first.image_id, second.image_id) == (70, 3)
    assert first.labels.tolist() == [1, 2]
    assert second.labels.tolist() == [3]
    assert first.crowd.tolist() == [True, False]
    assert first.boxes.tolist() == [[0, 0, 10, 8], [50, 30, 60, 40]]
    assert second.boxes.tolist() == [[5, 10, 25, 40]]
    assert isinstance(first.segmentations[0], RunLengths)
    assert isinstance(first.segmentations[1], Polygons)
    assert (second.height, second.width, second.path.name) == (50, 30, "b.png")
    assert dataset.has_masks


def test_class_list_gives_the_order(content, write_coco):
    dataset = read(write_coco(content), classes=("pear", "fig", "plum"))
    assert dataset.category_ids == (90, 2, 17)
    assert dataset.records[0].labels.tolist() == [2, 3]
    assert dataset.records[1].labels.tolist() == [1]


def test_class_list_names_missing_and_nearest(content, write_coco):
    with pytest.raises(InputError, match=r"'peer' \(nearest: pear\)"):
        read(write_coco(content), classes=("peer", "fig", "plum"))


def test_other_categories_are_an_error_unless_allowed(content, write_coco):
    written = write_coco(content)
    with pytest.raises(InputError, match=r"outside the class list: pear, plum.*ignore_other_categories"):
        read(written, classes=("fig",))
    dataset = read(written, classes=("plum",), ignore_other_categories=True)
    assert [record.labels.tolist() for record in dataset.records] == [[1], []]
    assert dataset.category_ids == (17,)


def test_unused_category_outside_the_list_is_no_error(content, write_coco):
    content["categories"].append({"id": 0, "name": "all-fruit"})
    assert read(write_coco(content), classes=("pear", "fig", "plum")).classes == ("pear", "fig", "plum")


def test_boxes_are_clipped_and_degenerate_ones_dropped_and_counted(content, write_coco, caplog):
    whole = content["annotations"][2]
    content["annotations"] += [
        {**whole, "id": 20, "bbox": [-5, -6, 20, 100]},
        {**whole, "id": 21, "bbox": [60, 0, 10, 10]},  # outside
        {**whole, "id": 22, "bbox": [10, 10, 0, 5]},
        {**whole, "id": 23, "bbox": [10, 10, 5, -5]},
        {**whole, "id": 24, "segmentation": [[1, 1, 5, 5]]},  # two corners
    ]
    record = read(write_coco(content)).require_masks().records[0]
    assert record.boxes.tolist() == [[0, 0, 10, 8], [50, 30, 60, 40], [0, 0, 15, 40]]
    assert "3 of 8 objects have no area" in caplog.text
    assert "1 objects have only polygons of fewer than 3 corners and are dropped (first: 24)" in caplog.text


def test_empty_images_and_images_of_crowds_alone_are_left_out_of_training(content, write_coco):
    content["images"].append({"id": 4, "file_name": "c.png", "height": 20, "width": 20})
    del content["annotations"][2]  # image 70 keeps its crowd only
    dataset = read(write_coco(content))
    assert len(dataset.records) == 3
    assert [r.image_id for r in training_records(dataset, keep_empty_images=False)] == [3]
    assert len(training_records(dataset, keep_empty_images=True)) == 3
    del content["annotations"][0]
    with pytest.raises(InputError, match=r"wanted objects to train on, got only 1 crowds \(iscrowd 1\)"):
        training_records(read(write_coco(content)), keep_empty_images=False)


def test_iscrowd_and_segmentation_may_be_missing(content, write_coco):
    for key in ("iscrowd", "segmentation"):
        del content["annotations"][0][key]
    content["annotations"][2]["segmentation"] = []
    del content["annotations"][1]["segmentation"]
    dataset = read(write_coco(content))
    assert list(dataset.without_mask) == [6, 11]  # crowd 5 needs none
    assert not dataset.has_masks
    with pytest.raises(InputError, match=r"2 objects have none \(first: 6, 11\)"):
        dataset.require_masks()


def test_an_annotation_file_without_annotations(content, write_coco):
    content["annotations"] = []
    dataset = read(write_coco(content))
    assert [len(record.labels) for record in dataset.records] == [0, 0]
    del content["annotations"]
    dataset = read(write_coco(content))
    assert [len(record.labels) for record in dataset.records] == [0, 0]


def edit(table, index, **changes):
    def apply(content):
        content[table][index].update(changes)

    return apply


def remove(table, index, key):
    def apply(content):
        del content[table][index][key]

    return apply


RLE_SHORT = {"size": [40, 60], "counts": [0, 8, 5]}
RLE_SIZE = {"size": [60, 40], "counts": [0, 8, 2392]}
RLE_TEXT = {"size": [40, 60], "counts": "52203"}

BAD = {
    "unknown category": (edit("annotations", 1, category_id=4), "annotation id 5: category_id 4 is not among"),
    "unknown image": (edit("annotations", 2, image_id=8), "annotation id 6: image_id 8 is not among the images"),
    "repeated image id": (edit("images", 1, id=70), "image id 70 2 times"),
    "repeated annotation id": (edit("annotations", 1, id=11), "annotation id 11 2 times"),
    "many categories": (
        lambda content: content["categories"].extend({"id": 1000 + i, "name": f"n{i}"} for i in range(20_000)),
        "categories: wanted at most 20000, got 2000",
    ),
    "repeated category id": (edit("categories", 1, id=90), "category id 90 2 times"),
    "repeated category name": (edit("categories", 1, name="pear"), "every name once, got pear"),
    "missing bbox": (remove("annotations", 2, "bbox"), "annotation id 6: wanted a key 'bbox'"),
    "missing id": (remove("annotations", 2, "id"), "annotation number 3: wanted a key 'id'"),
    "missing height": (remove("images", 1, "height"), "image id 3: wanted a key 'height'"),
    "id is a text": (edit("images", 1, id=""), "image id : id: wanted a whole number, got ''"),
    "id is a fraction": (edit("annotations", 1, image_id=3.5), "annotation id 5: image_id: wanted a whole number"),
    "height is zero": (edit("images", 0, height=0), "image id 70: height: wanted a whole number of at least 1"),
    "file name is a number": (edit("images", 0, file_name=7), "image id 70: file_name: wanted a text"),
    "three numbers": (edit("annotations", 1, bbox=[1, 2, 3]), "annotation id 5: bbox: wanted four finite numbers"),
    "text in bbox": (edit("annotations", 1, bbox=[1, 2, 3, "w"]), "annotation id 5: bbox: wanted four finite"),
    "infinite bbox": (
        edit("annotations", 1, bbox=[1, 2, 3, float("inf")]),
        "annotation id 5: bbox: wanted four finite",
    ),
    "odd polygon": (
        edit("annotations", 0, segmentation=[[1, 2, 3, 4, 5, 6, 7]]),
        r"id 11 \(image id 3\): segmentation",
    ),
    "text in polygon": (edit("annotations", 0, segmentation=[[1, 2, 3, "x"]]), r"id 11 \(image id 3\): segmentation"),
    "segmentation is a text": (edit("annotations", 0, segmentation="x"), r"id 11 \(image id 3\): segmentation: wanted"),
    "RLE too short": (
        edit("annotations", 1, segmentation=RLE_SHORT),
        r"id 5 \(image id 70\): segmentation: .*2400, got 13",
    ),
    "RLE of another size": (edit("annotations", 1, segmentation=RLE_SIZE), r"id 5 \(image id 70\): segmentation size"),
    "RLE text too short": (
        edit("annotations", 1, segmentation=RLE_TEXT),
        r"id 5 \(image id 70\): segmentation: .*2400",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_files_name_file_and_id(name, content, write_coco):
    change, message = BAD[name]
    written = write_coco(content)  # the images of the valid content
    change(content)
    written[0].write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read(written)
    assert str(written[0]) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "wanted a JSON object with images, annotations, categories, got a list"),
        ('{"images": [], "annotations": []}', "wanted a key 'categories'"),
        ('{"images": [1], "annotations": [], "categories": []}', "images: wanted a list of objects"),
        ('{"images": [], "annotations": [], "categories": []}', "images: wanted at least one"),
        ("\xff", "not JSON"),
    ],
)
def test_files_of_another_kind(text, message, tmp_path):
    path = tmp_path / "labels.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_coco(annotations=path, images=tmp_path)


def test_absent_images_are_counted_and_named(content, write_coco):
    annotations, images = write_coco(content)
    (images / "b.png").unlink()
    with pytest.raises(InputError, match=r"1 of 2 listed images are absent: .*b\.png"):
        read_coco(annotations=annotations, images=images)
    with pytest.raises(InputError, match="2 of 2 listed images are absent"):
        read_coco(annotations=annotations, images=images / "nowhere")


def test_no_annotation_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no such annotation file"):
        read_coco(annotations=tmp_path / "none.json", images=tmp_path)


def pasted(mask, box, height, width):
    """The box-relative mask back in the image, nearest bin."""
    side = mask.shape[0]
    x1, y1, x2, y2 = box.astype(float)
    columns = np.floor((np.arange(width) + 0.5 - x1) / (x2 - x1) * side).astype(int)
    rows = np.floor((np.arange(height) + 0.5 - y1) / (y2 - y1) * side).astype(int)
    framed = np.pad(mask, 1)
    return framed[np.ix_(rows.clip(-1, side) + 1, columns.clip(-1, side) + 1)]


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_real_coco_equals_what_pycocotools_loads(split, shared_data):
    files = find_split(root=shared_data / "coco_mini", name=split)
    dataset = read_coco(annotations=files.annotations, images=files.images)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(files.annotations))
    assert [record.image_id for record in dataset.records] == list(reference.imgs)
    assert len(dataset.classes) == 80
    overlaps = []
    for record in dataset.records:
        objects = reference.loadAnns(reference.getAnnIds(record.image_id))
        boxes = np.array([entry["bbox"] for entry in objects]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(record.boxes, boxes.clip(0, (record.width, record.height) * 2), atol=1e-3)
        assert [dataset.category_ids[label - 1] for label in record.labels] == [o["category_id"] for o in objects]
        assert record.crowd.tolist() == [bool(entry["iscrowd"]) for entry in objects]
        masks = Target.of(record).rasterise(112)
        for entry, segmentation, box, mask in zip(objects, record.segmentations, record.boxes, masks, strict=True):
            whole = reference.annToMask(entry)
            if entry["iscrowd"]:
                np.testing.assert_array_equal(segmentation.bitmap(), whole)
                assert not mask.any()
            else:
                again = pasted(mask, box, record.height, record.width)
                overlaps.append((again & whole).sum() / max((again | whole).sum(), 1))
    assert np.mean(overlaps) > 0.97


def test_content_is_not_touched(content, write_coco):
    before = copy.deepcopy(content)
    read(write_coco(content))
    assert content == before
