"""Exports of annotation tools: each is recognised and gives the same table as the same data in COCO's own layout."""

import json

import numpy as np
import pytest
import tool_exports
from PIL import Image
from tool_exports import BOXES, EXPORTS, coco_content, mask_png, write_images, write_json

from mindrcnn.build.data import build_dataset, locate_split
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.tools.shapes import ARC_CORNERS, ellipse
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import ground_truth_of


def read(root, name="train", **keys):
    split = SplitConfig(name=name, **{key: keys.pop(key) for key in ("annotations", "class_attribute") if key in keys})
    return build_dataset(DataConfig(root=str(root), train=split, **keys), split, "data.train")


def table(dataset):
    """Returns everything that is known of each image, by the last letter of its name."""
    found = {}
    for record in dataset.records:
        masks = [None if mask is None else [list(part) for part in mask.parts] for mask in record.segmentations]
        classes = [dataset.classes[label - 1] for label in record.labels]
        stem = record.path.stem.removesuffix("_leftImg8bit")[-1]
        found[stem] = record.size, record.boxes.tolist(), classes, record.crowd.tolist(), masks
        assert record.image().shape[:2] == record.size
    return found


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    root = tmp_path_factory.mktemp("coco")
    write_images(root / "train")
    write_json(root / "annotations/instances_train.json", coco_content())
    return read(root)


@pytest.mark.parametrize("export", EXPORTS)
def test_exports_equal_coco(export, wanted, tmp_path):
    write, name = EXPORTS[export]
    write(tmp_path)
    split = SplitConfig(name="train")
    _, files = locate_split(DataConfig(root=str(tmp_path), train=split), split, "data.train")
    assert files.format == name
    dataset = read(tmp_path)
    assert set(dataset.classes) == set(wanted.classes)
    found = table(dataset)
    if name == "lvis":  # a crowd for the class that is not annotated in full
        size, boxes, classes, crowd, _ = found.pop("c")
        assert (boxes, classes, crowd) == ([[0, 0, size[1], size[0]]], ["pear"], [True])
        assert found == {key: value for key, value in table(wanted).items() if key != "c"}
        assert dataset.federation is not None
        ids = {record.path.name: record.image_id for record in dataset.records}
        assert dict(dataset.federation.absent) == dict.fromkeys(ids.values(), (1,))
        assert dict(dataset.federation.incomplete) == {ids["a.png"]: (), ids["b.png"]: (), ids["c.png"]: (2,)}
        assert set(dataset.federation.frequency.values()) == {"r"}
    else:
        assert found == table(wanted)
        truth = [{**one, "category_id": 0, "image_id": 0} for one in ground_truth_of(dataset).annotations]
        assert truth == [{**one, "category_id": 0, "image_id": 0} for one in ground_truth_of(wanted).annotations]


@pytest.mark.parametrize("export", BOXES)
def test_exports_of_boxes_equal_coco(export, wanted, tmp_path):
    write, _ = BOXES[export]
    write(tmp_path)
    dataset = read(tmp_path)
    assert len(dataset.without_mask) == 3
    found, expected = table(dataset), table(wanted)
    for key, (size, boxes, classes, _, _) in expected.items():
        assert found[key][0] == size
        assert found[key][2] == classes
        np.testing.assert_allclose(found[key][1], boxes, atol=1e-5)


def test_the_folder_itself(wanted, tmp_path):
    tool_exports.yolo_label_studio(tmp_path)
    assert table(read(tmp_path, name="", annotations=".")) == table(wanted)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_names_of_the_validation_split(name, tmp_path):
    tool_exports.roboflow(tmp_path)
    (tmp_path / "train").rename(tmp_path / "valid")
    assert len(read(tmp_path, name=name).records) == 3


def labelme_file(root, shapes, size=(40, 60)):
    root.mkdir(exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(root / "a.png")
    content = {
        "version": "5",
        "shapes": shapes,
        "imagePath": "..\\x\\a.png",
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    write_json(root / "a.json", content)
    return read(root.parent, name=root.name)


def test_labelme_shapes(tmp_path):
    pixels = np.zeros((5, 4), bool)
    pixels[1:, 2] = True
    dataset = labelme_file(
        tmp_path / "s",
        [
            {"label": "disc", "points": [[30, 20], [33, 24]], "shape_type": "circle"},
            {"label": "bit", "points": [[10, 20], [13, 24]], "shape_type": "mask", "mask": mask_png(pixels)},
            {"label": "pair", "points": [[1, 1], [4, 1], [4, 4]], "shape_type": "polygon", "group_id": 7},
            {"label": "pair", "points": [[8, 8], [9, 8], [9, 9]], "shape_type": "polygon", "group_id": 7},
            {
                "label": "bit",
                "points": [[50, 20], [53, 24]],
                "shape_type": "mask",
                "mask": mask_png(pixels),
                "group_id": 7,
            },
            {"label": "bit", "points": [[0, 0], [2, 2]], "shape_type": "rectangle", "group_id": 7},
        ],
    )
    (record,) = dataset.records
    assert [dataset.classes[label - 1] for label in record.labels] == ["disc", "bit", "pair", "bit"]
    disc, bit, pair, mixed = record.boxes.tolist()
    np.testing.assert_allclose(disc, [25, 15, 35, 25], atol=0.2)
    assert bit == [12, 21, 13, 25]
    assert pair == [1, 1, 9, 9]
    assert mixed == [0, 0, 53, 25]
    areas = [one["area"] for one in ground_truth_of(dataset).annotations]
    assert areas[0] == pytest.approx(tool_exports.circle_area(5), rel=0.05)
    assert areas[1:] == [4, pytest.approx(4.5 + 0.5, abs=3), 8]
    assert bit_pixels(record.segmentations[1]) == {(21, 12), (22, 12), (23, 12), (24, 12)}


def bit_pixels(mask):
    return set(zip(*(axis.tolist() for axis in np.nonzero(mask.bitmap())), strict=True))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"label": "x", "points": [[1, 1], [2]], "shape_type": "polygon"}, "shape 1: wanted 2 numbers, got 1"),
        ({"label": "x", "points": [], "shape_type": "polygon"}, "at least one corner"),
        ({"label": "", "points": [[1, 1]], "shape_type": "polygon"}, "label: wanted a text, got ''"),
        ({"label": "x", "points": [[1, 1]], "shape_type": "cube"}, "shape_type: wanted polygon, rectangle"),
        ({"label": "x", "points": [[1, 1]], "shape_type": "circle"}, "wanted 4 numbers, got 2"),
        ({"label": "x", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "%%"}, "mask: wanted base64"),
        ({"label": "x", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "AAAA"}, "wanted an image"),
        ({"label": "x", "points": [[float("nan"), 1]], "shape_type": "polygon"}, "finite numbers"),
    ],
)
def test_labelme_mistakes(shape, message, tmp_path):
    with pytest.raises(InputError, match=message):
        labelme_file(tmp_path / "s", [shape])


def via_file(root, regions, **keys):
    write_images(root / "train")
    write_json(
        root / "train/via.json", {"k": {"filename": "a.png", "size": 1, "regions": regions, "file_attributes": {}}}
    )
    return read(root, **keys)


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def test_via_shapes(tmp_path):
    dataset = via_file(
        tmp_path,
        [
            region({"name": "circle", "cx": 30, "cy": 20, "r": 5}, fruit="fig"),
            region({"name": "ellipse", "cx": 30, "cy": 20, "rx": 10, "ry": 4, "theta": np.pi / 2}, fruit="pear"),
            region({"name": "point", "cx": 30, "cy": 20}, fruit="fig"),
        ],
    )
    (record,) = dataset.records
    assert dataset.classes == ("fig", "pear")
    np.testing.assert_allclose(record.boxes, [[25, 15, 35, 25], [26, 10, 34, 30]], atol=0.2)


@pytest.mark.parametrize("radius", [1e300, 1e17, 0])
def test_a_circle_of_any_radius_has_corners(radius):
    assert 3 <= len(ellipse(5, 5, radius, radius)) / 2 <= ARC_CORNERS[1]


def test_the_attribute_that_names_the_class(tmp_path):
    square = {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 5}
    with pytest.raises(InputError, match="attributes colour, size: class_attribute must say which one names the class"):
        via_file(tmp_path, [region(square, colour="red", size="big")])
    assert via_file(tmp_path, [region(square, colour="red", size="big")], class_attribute="size").classes == ("big",)
    with pytest.raises(InputError, match="wanted the attribute 'shape' of a region, got only colour"):
        via_file(tmp_path, [region(square, colour="red")], class_attribute="shape")
    assert via_file(tmp_path, [region(square)]).classes == ("object",)
    with pytest.raises(InputError, match=r"a\.png: region 1: label: wanted the name of one class, got None"):
        via_file(tmp_path, [region(square, label={"a": True, "b": True})])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", r"a\.txt, line 1: wanted after the class 4 numbers .*, got 3"),
        ("0 0.5 0.5 0.1 0.1 0.9", "got 5"),
        ("x 0.5 0.5 0.1 0.1", "in numbers, got 'x 0.5"),
        ("7 0.5 0.5 0.1 0.1", "wanted a class of fig, pear, plum, got number 7"),
        ("0 50 50 10 10", "wanted shares of the image's width and height"),
        ("0 nan 0 0 0", "wanted shares"),
    ],
)
def test_yolo_mistakes(line, message, tmp_path):
    tool_exports.yolo(tmp_path)
    (tmp_path / "labels/train/a.txt").write_text(line)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_yolo_without_what_it_names(tmp_path):
    tool_exports.yolo(tmp_path)
    with pytest.raises(InputError, match=r"data\.yaml: wanted a folder or list of images, got nothing at .*images/val"):
        read(tmp_path, name="val")
    with pytest.raises(InputError, match="wanted the name of a split, one of train, val, got 'test'"):
        read(tmp_path, name="test")
    for file in (tmp_path / "labels/train").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"none of 3 images has labels; looked for .*labels/train/a\.txt"):
        read(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [a]\nkpt_shape: [17, 3]\n")
    with pytest.raises(InputError, match="YOLO pose labels"):
        read(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: {a: 1}\n")
    with pytest.raises(InputError, match="names: wanted a list"):
        read(tmp_path)


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_voc_masks(colours, order, tmp_path):
    tool_exports.voc(tmp_path)
    (tmp_path / "ImageSets/Main").rename(tmp_path / "ImageSets/Segmentation")
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("a\n")
    labels = np.zeros((40, 60), np.uint8)
    labels[30:40, 50:60], labels[4:20, 3:22] = order
    labels[:, 40] = 255
    (tmp_path / "SegmentationObject").mkdir()
    palette = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], *[[9, 9, 9]] * 252, [224, 224, 192]], np.uint8)
    picture = Image.fromarray(labels).convert("P")
    picture = Image.fromarray(palette[labels]) if colours else Image.fromarray(labels, mode="P")
    if not colours:
        picture.putpalette(palette.reshape(-1).tolist())
    picture.save(tmp_path / "SegmentationObject/a.png")
    dataset = read(tmp_path)
    assert dataset.has_masks
    (record,) = dataset.records
    assert [dataset.classes[label - 1] for label in record.labels] == ["plum", "fig"]
    assert [int(mask.bitmap().sum()) for mask in record.segmentations] == [100, 16 * 19]
    Image.fromarray(labels[1:]).save(tmp_path / "SegmentationObject/a.png")
    with pytest.raises(InputError, match=r"a\.png: wanted the image's height and width \[40, 60\], got \[39, 60\]"):
        read(tmp_path)


def test_voc_counts_pixels_from_one(tmp_path):
    tool_exports.voc_beside(tmp_path)
    file = tmp_path / "train/b.xml"
    file.write_text(
        file.read_text().replace("<size>", "<source><database>The VOC2007 Database</database></source><size>")
    )
    boxes = {record.path.stem: record.boxes.tolist() for record in read(tmp_path).records}
    assert boxes["b"] == [[4, 9, 25, 40]]
    assert boxes["a"][0] == [50, 30, 60, 40]


def test_xml_has_no_entities(tmp_path):
    tool_exports.voc(tmp_path)
    bomb = '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    file = tmp_path / "Annotations/b.xml"
    file.write_text(bomb + file.read_text().replace("pear", "&c;"))
    with pytest.raises(InputError, match=r"b\.xml: wanted XML: wanted XML without a document type"):
        read(tmp_path)
    file.write_text("<annotation>" + "<a>" * 60)
    with pytest.raises(InputError, match="levels, got more"):
        read(tmp_path)


def test_groups_are_crowds(tmp_path):
    tool_exports.cityscapes(tmp_path)
    (file,) = (tmp_path / "gtFine/train/x").glob("x_b_*.json")
    content = json.loads(file.read_text())
    content["objects"].append({"label": "figgroup", "polygon": [[1, 1], [9, 1], [9, 9]]})
    content["objects"].append({"label": "nutgroup", "polygon": [[1, 1], [9, 1], [9, 9]]})
    file.write_text(json.dumps(content))
    dataset = read(tmp_path)
    assert dataset.classes == ("fig", "nutgroup", "pear", "plum")
    record = dataset.records[1]
    assert record.crowd.tolist() == [False, True, False]
    assert record.labels.tolist() == [3, 1, 2]


UNSUPPORTED = {
    "tasks.json": (
        [{"id": 1, "data": {"image": "x"}, "annotations": []}],
        "a Label Studio JSON file, which is not read; choose COCO",
    ),
    "results.json": ([{"image_id": 1, "category_id": 1, "bbox": [], "score": 1}], "a COCO file of results"),
    "panoptic.json": (
        {"images": [], "annotations": [{"segments_info": []}], "categories": []},
        "COCO's panoptic annotations, which are not read",
    ),
    "captions.json": ({"images": [], "annotations": [{"caption": "x"}]}, "COCO's captions"),
    "via3.json": (
        {"project": {}, "config": {}, "attribute": {}, "file": {}, "metadata": {}, "view": {}},
        "a VIA 3 project",
    ),
    "createml.json": ([{"image": "x", "annotations": []}], "a CreateML file"),
    "supervisely.json": (
        {"description": "", "tags": [], "size": {"height": 1}, "objects": []},
        "a Supervisely annotation",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_files_are_named(name, tmp_path):
    content, message = UNSUPPORTED[name]
    write_images(tmp_path / "train")
    write_json(tmp_path / "train" / name, content)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        read(tmp_path)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        read(tmp_path, annotations=f"train/{name}")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("annotations.xml", "<annotations><version>1.1</version><image/></annotations>", "a CVAT XML file"),
        ("via.csv", "filename,file_size,file_attributes,region_count\n", "a CSV file of VIA"),
        ("boxes.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n", "a CSV file of boxes"),
        ("a.txt", "Car 0.00 0 -1.57 1 2 3 4 1.5 1.6 3.7 1 1 9 -1.6\n", "a label file of KITTI"),
        ("export.ndjson", '{"data_row": 1}\n', "a file of JSON lines"),
    ],
)
def test_unsupported_texts_are_named(name, text, message, tmp_path):
    write_images(tmp_path / "train")
    (tmp_path / "train" / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        read(tmp_path)


def test_what_is_nothing(tmp_path):
    write_images(tmp_path / "train")
    with pytest.raises(InputError, match="no annotation file of split 'train'; looked for annotations/instances_train"):
        read(tmp_path)
    with pytest.raises(InputError, match="wanted annotations of a known format"):
        read(tmp_path, annotations="train")


def test_a_format_by_name(tmp_path):
    tool_exports.yolo(tmp_path)
    split = SplitConfig(name="train", format="labelme")
    with pytest.raises(InputError, match="found no folder of labelme's JSON files of split 'train'; looked for train"):
        locate_split(DataConfig(root=str(tmp_path), train=split), split, "data.train")
    split = SplitConfig(name="train", format="yolo", annotations="data.yaml")
    assert len(build_dataset(DataConfig(root=str(tmp_path), train=split), split, "data.train").records) == 3


@pytest.mark.parametrize("export", ["yolo", "via", "labelme", "cvat", "voc"])
def test_absent_images(export, tmp_path):
    write, _ = (EXPORTS | BOXES)[export]
    write(tmp_path)
    (image,) = tmp_path.rglob("b.png")
    image.unlink()
    if export == "yolo":  # which lists what is there
        assert len(read(tmp_path).records) == 2
        return
    with pytest.raises(InputError, match=r"1 of 3 listed images are absent: .*b\.png"):
        read(tmp_path)
    assert [record.path.stem for record in read(tmp_path, skip_missing_images=True).records] == ["a", "c"]
    split = SplitConfig(name="train")
    data = DataConfig(root=str(tmp_path), train=split, skip_missing_images=True)
    data_format, files = locate_split(data, split, "data.train")
    findings = Findings()
    data_format.examine(files, classes=(), ignore_other_categories=False, needs_masks=False, findings=findings)
    assert not findings.has_errors
    assert [kind.name for kind, _ in findings.select(errors=False)][-1] == "SKIPPED"
