import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.layout import find_split
from mindrcnn.data.image_io import read_image
from mindrcnn.data.masks import RunLengths
from mindrcnn.datasets import demo
from mindrcnn.datasets.demo_shapes import SHAPES, draw_shape
from mindrcnn.errors import InputError
from mindrcnn.programs.demo import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    demo.make_demo(root, train_images=80, val_images=10, size=192, seed=0)
    return root


def read(root, name):
    files = find_split(root=root, name=name)
    return read_coco(annotations=files.annotations, images=files.images)


def test_what_it_holds(folder):
    dataset = read(folder, "train")
    assert dataset.classes == tuple(SHAPES)
    assert len(dataset.classes) >= 6
    assert dataset.has_masks
    assert len(dataset.records) == 80
    assert len(read(folder, "val").records) == 10
    boxes = np.concatenate([record.boxes for record in dataset.records])
    crowd = np.concatenate([record.crowd for record in dataset.records])
    labels = np.concatenate([record.labels for record in dataset.records])
    sizes = np.array([record.size for record in dataset.records])
    assert set(labels[~crowd]) == set(range(1, len(SHAPES) + 1))
    assert 1 <= crowd.sum() <= 20
    assert 1 <= sum(len(record.labels) == 0 for record in dataset.records) <= 16
    assert sizes.min() >= 160
    assert sizes.max() <= 224
    assert len(np.unique(sizes)) > 20
    longest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[~crowd]
    assert longest.min() < 30
    assert longest.max() > 80
    assert (boxes[:, :2] == 0).any()  # some touch the border
    kinds = [seg for record in dataset.records for seg in record.segmentations]
    assert any(isinstance(seg, RunLengths) for seg in kinds)
    assert any(not isinstance(seg, RunLengths) and len(seg.parts) > 1 for seg in kinds)  # hidden in the middle


def test_annotations_fit_each_other_and_the_image(folder):
    content = json.loads((folder / "annotations/instances_train.json").read_text())
    sizes = {entry["id"]: (entry["height"], entry["width"]) for entry in content["images"]}
    covered = {image_id: np.zeros(size, int) for image_id, size in sizes.items()}
    for entry in content["annotations"]:
        height, width = sizes[entry["image_id"]]
        stored = entry["segmentation"]
        rle = stored if isinstance(stored, dict) else coco_mask.merge(coco_mask.frPyObjects(stored, height, width))
        bitmap = coco_mask.decode(rle)
        covered[entry["image_id"]] += bitmap
        assert bitmap.sum() == pytest.approx(entry["area"], rel=0.08)
        rows, columns = np.nonzero(bitmap)
        x, y, box_width, box_height = entry["bbox"]
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(tight, [x, y, x + box_width, y + box_height], atol=4)
    overlapping = sum((count > 1).sum() for count in covered.values())
    assert overlapping < 0.001 * sum((count > 0).sum() for count in covered.values())  # visible parts only
    first = content["images"][0]
    assert read_image(folder / "train" / first["file_name"]).shape[:2] == sizes[first["id"]]


def files_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_same_seed_same_bytes(tmp_path):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        demo.make_demo(tmp_path / name, train_images=6, val_images=3, size=160, seed=seed)
    one, two, other = (files_of(tmp_path / name) for name in ("one", "two", "other"))
    assert len(one) == 11
    assert one == two
    assert all(one[name] != other[name] for name in one)
    assert one["train/000001.jpg"] != one["val/000001.jpg"]


def test_silhouettes_are_distinct():
    """No class nearly covers the shape of another, whatever rotation is drawn."""
    drawn = {
        name: [
            draw_shape(name, centre=(50, 50), diameter=80, canvas=(100, 100), rng=np.random.default_rng(seed)) > 127
            for seed in range(6)
        ]
        for name in SHAPES
    }
    for name, own in drawn.items():
        for other, theirs in drawn.items():
            if name < other:
                assert max((a & b).sum() / (a | b).sum() for a in own for b in theirs) < 0.88, (name, other)


def test_program(tmp_path, capsys):
    assert main([str(tmp_path / "d"), "--train-images", "2", "--val-images", "1"]) == 0
    assert "2 training and 1 validation images" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file")]) == 2
    assert "cannot write the demo data" in capsys.readouterr().err
    with pytest.raises(InputError):
        demo.make_demo(tmp_path / "file")
