"""Training, evaluation and the doctor see the same objects of a file, and refuse the same files with the same words."""

import copy
import itertools
import json
import logging
import re

import numpy as np
import pytest

from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.coco.columns import Columns
from mindrcnn.data.formats.coco.examine import examine_coco
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.masks import shape_of
from mindrcnn.data.record import training_records
from mindrcnn.data.survey import Use, examine_survey
from mindrcnn.data.transforms.target import Target
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import ground_truth_of, load_ground_truth

SQUARE = [[5, 10, 25, 10, 25, 40, 5, 40]]


@pytest.fixture
def files(content, write_coco, tmp_path):
    """Returns a function that writes the content, with changes to its first annotation, and gives its two paths."""
    annotations, images = write_coco(content)

    def write(*, text=None, **changes):
        content["annotations"][0].update(changes)
        annotations.write_text(json.dumps(content) if text is None else text, encoding="utf-8")
        return {"annotations": annotations, "images": images}

    return write


def examine(paths, *, needs_masks=True, classes=(), use=Use.TRAINING):
    findings = Findings()
    survey = examine_coco(
        **paths, classes=classes, ignore_other_categories=False, needs_masks=needs_masks, findings=findings
    )
    examine_survey(survey, findings, max_objects=100, use=use)
    return survey, findings


def refused(paths):
    """Returns the message with which training, evaluation and the doctor refuse the file."""
    with pytest.raises(InputError) as training:
        read_coco(**paths)
    with pytest.raises(InputError) as evaluation:
        load_ground_truth(paths["annotations"])
    assert str(evaluation.value) == str(training.value)
    _, findings = examine(paths)
    assert findings.has_errors
    examples = [example for _, finding in findings.select(errors=True) for example in finding.examples]
    path, _, rest = str(training.value).partition(": ")
    assert path == str(paths["annotations"])
    assert rest in examples
    return rest


def used(paths, *, needs_masks=True):
    """Returns the ids of the objects' boxes that training, evaluation and the doctor all use."""
    dataset = read_coco(**paths)
    if needs_masks:
        dataset = dataset.require_masks()
    trained = np.concatenate([record.boxes for record in dataset.records])
    survey, findings = examine(paths, needs_masks=needs_masks)
    assert not findings.has_errors
    np.testing.assert_array_equal(survey.boxes, trained)
    truth = ground_truth_of(dataset)
    assert len(truth.annotations) == len(trained)
    assert not needs_masks or truth.has_masks
    return truth


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"area": "1200"}, "annotation id 11: area: wanted a finite number of at least 0, got '1200'"),
        ({"area": float("nan")}, "annotation id 11: area: wanted a finite number of at least 0, got nan"),
        ({"area": -1}, "annotation id 11: area: wanted a finite number of at least 0, got -1"),
        ({"area": True}, "annotation id 11: area: wanted a finite number of at least 0, got True"),
        ({"iscrowd": "0"}, "annotation id 11: iscrowd: wanted a whole number of at least 0, got '0'"),
        ({"iscrowd": -1}, "annotation id 11: iscrowd: wanted a whole number of at least 0, got -1"),
        ({"iscrowd": 0.5}, "annotation id 11: iscrowd: wanted a whole number of at least 0, got 0.5"),
        ({"bbox": ["5", "10", "20", "30"]}, "annotation id 11: bbox: wanted four finite numbers, got ['5', '10', '20'"),
        ({"bbox": [5, 10, 20, 10**400]}, "annotation id 11: bbox: wanted four finite numbers"),
        ({"bbox": [5, 10, 20, True]}, "annotation id 11: bbox: wanted four finite numbers"),
        ({"bbox": [5, 10, 20, float("nan")]}, "annotation id 11: bbox: wanted four finite numbers"),
        ({"bbox": {"x": 1}}, "annotation id 11: bbox: wanted four finite numbers"),
        ({"category_id": [1]}, "annotation id 11: category_id: wanted a whole number, got [1]"),
        ({"category_id": 90.0}, "annotation id 11: category_id: wanted a whole number, got 90.0"),
        ({"image_id": float("nan")}, "annotation id 11: image_id: wanted a whole number, got nan"),
        ({"id": True}, "annotation id True: id: wanted a whole number, got True"),
        ({"segmentation": [[1e300, 0, 5, 0, 5, 5]]}, "segmentation: wanted corners that are finite as 32-bit"),
        ({"segmentation": [[0, 0, 5, 0, 5, float("nan")]]}, "segmentation: wanted corners that are finite as 32-bit"),
        ({"segmentation": [[0, 0, 5, 0, 5, 10**400]]}, "segmentation: wanted corners that are finite as 32-bit"),
    ],
)
def test_a_bad_field_is_one_message_for_all(changes, message, files):
    assert message in refused(files(**changes))


@pytest.mark.parametrize(
    "segmentation",
    [{"size": [50, 30], "counts": [3, 9]}, [0, 0, 5, 0, 5, 5], {"counts": [1500]}, "x", [[0, 0, 5]]],
)
@pytest.mark.parametrize("box", [[5, 10, 20, 30], [0, 0, 0, 0], [500, 500, 5, 5]])
def test_a_segmentation_that_cannot_be_read_is_refused_on_dropped_objects_too(segmentation, box, files):
    assert "annotation id 11 (image id 3): segmentation" in refused(files(segmentation=segmentation, bbox=box))


@pytest.mark.parametrize("value", [None, "missing"])
def test_what_is_null_or_missing_is_filled_in(value, content, files):
    for key in ("area", "iscrowd"):
        if value is None:
            content["annotations"][0][key] = None
        else:
            content["annotations"][0].pop(key, None)
    (one,) = [entry for entry in used(files()).annotations if entry["image_id"] == 3]
    assert (one["area"], one["iscrowd"]) == (600, 0)


def test_a_null_area_counts_as_the_masks_own(content, files):
    truth = used(files(area=None, bbox=[5, 10, 25, 35], segmentation=[[5, 10, 30, 10, 30, 50, 5, 50]]))
    results = [
        {key: one[key] for key in ("image_id", "category_id", "bbox", "segmentation")} | {"score": 0.9}
        for one in truth.annotations
    ]
    stats = evaluate(truth, results, iou_type="segm", category_ids=[90]).stats
    assert (stats["AP"], stats["APs"]) == (pytest.approx(1), pytest.approx(1))
    content["annotations"][0]["area"] = 5000
    stats = evaluate(used(files()), results, iou_type="segm", category_ids=[90]).stats
    assert (stats["APs"], stats["APm"]) == (-1, pytest.approx(1))


@pytest.mark.parametrize("segmentation", [SQUARE, [], None, [[1, 1, 2, 2]]])
@pytest.mark.parametrize("box", [[0, 0, 0, 0], [5, 10, 20, 0], [100, 100, 5, 5], [5, 10, 5, -5]])
def test_an_object_without_area_is_left_out_by_all(box, segmentation, content, files):
    content["annotations"].append({**content["annotations"][2], "id": 99, "bbox": box, "segmentation": segmentation})
    for needs_masks in (True, False):
        assert len(used(files(), needs_masks=needs_masks).annotations) == 3


def test_short_polygons_leave_a_box_where_no_mask_is_wanted(content, files, caplog):
    paths = files(segmentation=[[5, 10, 25, 40]])
    assert len(used(paths, needs_masks=False).annotations) == 3
    assert "polygons" not in caplog.text
    dataset = read_coco(**paths)
    assert shape_of(dataset.records[1].segmentations[0]) is None
    assert Target.of(dataset.records[1]).segmentations == (None,)
    assert len(used(paths).annotations) == 2
    assert "1 objects have only polygons of fewer than 3 corners and are dropped (first: 11)" in caplog.text
    for needs_masks, outcome in ((True, "and so the object"), (False, "but its box is used")):
        _, findings = examine(paths, needs_masks=needs_masks)
        texts = [example for _, finding in findings.select(errors=False) for example in finding.examples]
        assert f"annotation id 11: all of its polygons, {outcome}" in texts


@pytest.mark.parametrize("first", [2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63), -(10**20)])
@pytest.mark.parametrize("backend", ["faster_coco_eval", "pycocotools"])
def test_ids_of_any_size(first, backend, content, files):
    def renamed(number):
        return first + number

    for image in content["images"]:
        image["id"] = renamed(image["id"])
    for category in content["categories"]:
        category["id"] = renamed(category["id"])
    for one in content["annotations"]:
        one.update(image_id=renamed(one["image_id"]), category_id=renamed(one["category_id"]), id=renamed(one["id"]))
    paths = files()
    truth = used(paths)
    dataset = read_coco(**paths)
    assert [record.image_id for record in dataset.records] == [first + 70, first + 3]
    assert dataset.category_ids == (first + 2, first + 17, first + 90)
    results = [
        {"image_id": one["image_id"], "category_id": one["category_id"], "bbox": one["bbox"], "score": 0.5}
        for one in truth.annotations
        if not one["iscrowd"]
    ]
    metrics = evaluate(truth, results, iou_type="bbox", backend=backend, category_ids=dataset.category_ids)
    assert metrics.stats["AP"] == pytest.approx(1)
    assert [one.category_id for one in metrics.per_class] == list(dataset.category_ids)
    assert evaluate(truth, results[:1], iou_type="bbox", backend=backend).stats["AP"] == pytest.approx(0.5)
    swapped = [entry | {"image_id": 2 * first + 73 - entry["image_id"]} for entry in results]
    assert evaluate(truth, swapped, iou_type="bbox", backend=backend).stats["AP"] == 0


def test_large_ids_are_told_apart_in_messages(content, files):
    assert f"image_id {2**64} is not among the images" in refused(files(image_id=2**64))
    content["annotations"][0]["image_id"] = 3
    content["annotations"][1]["id"] = content["annotations"][2]["id"] = 2**70
    assert f"got annotation id {2**70} 2 times" in refused(files())


def test_a_byte_order_mark_and_fields_that_nobody_reads(content, files):
    content["info"] = {"version": float("nan")}
    content["annotations"][0]["attributes"] = {"score": float("inf")}
    content["annotations"][0]["note"] = "Äpfel"
    text = json.dumps(content, ensure_ascii=False)
    for mark in ("", "\ufeff"):
        paths = files(text=mark + text)
        assert len(used(paths).annotations) == 3
        assert read_coco(**paths).records[1].segmentations[0] is not None


def test_a_root_category_with_the_name_of_a_class(content, files, caplog):
    content["categories"].insert(0, {"id": 0, "name": "plum", "supercategory": "none"})
    paths = files()
    for classes in ((), ("fig", "plum", "pear")):
        dataset = read_coco(**paths, classes=classes)
        assert (dataset.classes, dataset.category_ids) == (("fig", "plum", "pear"), (2, 17, 90))
    assert caplog.text.count("left out: category id 0 (plum)") == 2
    survey, findings = examine(paths)
    assert (survey.classes, findings.has_errors) == (dataset.classes, False)
    assert any("category id 0 (plum)" in one.examples[0] for _, one in findings.select(errors=False))
    del content["annotations"][2]  # a split without plums
    assert read_coco(**files()).category_ids == (2, 17, 90)
    content["annotations"][0]["category_id"] = 0
    content["annotations"].append({**content["annotations"][0], "id": 99, "category_id": 17})
    assert "wanted every name once, got plum several times" in refused(files())


def test_crowds_alone_are_named(content, files):
    for one in content["annotations"]:
        one["iscrowd"] = 1
    paths = files()
    message = "wanted objects to train on, got only 3 crowds (iscrowd 1)"
    with pytest.raises(InputError, match=r"got only 3 crowds \(iscrowd 1\)"):
        training_records(read_coco(**paths), keep_empty_images=False)
    _, findings = examine(paths)
    (((_, finding)),) = findings.select(errors=True)
    assert message in finding.examples[0]
    for use in (Use.EVALUATION, Use.TRAINING_WITH_EMPTY_IMAGES):
        assert not examine(paths, use=use)[1].has_errors


def test_far_corners_are_cut_off(content, files):
    square = [[0, 0, 1e8, 0, 1e8, 1e8, 0, 1e8]]
    truth = used(files(segmentation=square, bbox=[0, 0, 1e8, 1e8]))
    (one,) = [entry for entry in truth.annotations if entry["image_id"] == 3]
    assert one["area"] == 30 * 50


def test_evaluation_reads_the_file_as_it_was(content, files):
    dataset = read_coco(**files())
    files(text=json.dumps({**content, "annotations": []}))
    with pytest.raises(InputError, match="has the file changed since"):
        ground_truth_of(dataset)


def test_the_rule_of_a_column_is_that_of_its_values(tmp_path):
    """The look at a whole column and the rule for one value never differ."""
    values = [0, 1, -1, 2**63, 10**400, 1.5, -0.0, float("nan"), float("inf"), True, None, "1", "", [], [1], {}]
    values += [[1, 2, 3, 4], [1, 2, 3, "4"], [1, 2, 3, None], [1.0, 2, 3, True], [1, 2, 3, 10**400], [1, 2, 3]]

    def blamed(name, *column):
        """Returns the id of the row that is refused, or None."""
        rows = [{"id": number, "x": value} for number, value in enumerate(column, start=1)]
        try:
            getattr(Columns(path=tmp_path, table="annotations", rows=rows), name)("x")
        except InputError as error:
            return int(re.search(r"annotation id (\d): x", str(error)).group(1))
        return None

    for name in ("ids", "flags", "texts", "boxes", "require_areas"):
        good = [blamed(name, value) is None for value in values]
        assert 0 < sum(good) < len(values)
        for first, second in itertools.product(range(len(values)), repeat=2):
            wanted = 1 if not good[first] else 2 if not good[second] else None
            assert blamed(name, values[first], values[second]) == wanted, (name, values[first], values[second])


def test_the_content_stays_as_it_was(content, caplog):
    caplog.set_level(logging.INFO)
    before = copy.deepcopy(content)
    load_ground_truth(content)
    assert content == before
