import pytest

from mindrcnn.build.data import locate_split
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.data.formats.layout import SplitFiles, find_split
from mindrcnn.errors import InputError


def make(root, annotations, image_folder):
    (root / annotations).parent.mkdir(parents=True, exist_ok=True)
    (root / annotations).write_text("{}")
    (root / image_folder).mkdir(parents=True, exist_ok=True)
    (root / image_folder / "x.jpg").write_bytes(b"")


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_train2017.json", "train2017"),
        ("train2017/labels.json", "train2017/data"),
        ("train/labels.json", "train/data"),
    ],
)
def test_layouts(annotations, images, tmp_path):
    make(tmp_path, annotations, images)
    assert find_split(root=tmp_path, name="train2017") == SplitFiles(tmp_path / annotations, tmp_path / images)


@pytest.mark.parametrize(
    ("name", "annotations", "images"),
    [
        ("val2017", "validation/labels.json", "validation/data"),
        ("val", "validation/labels.json", "validation/data"),
        ("test-dev2017", "annotations/image_info_test-dev2017.json", "test2017"),
        ("test2017", "annotations/image_info_test2017.json", "test2017"),
    ],
)
def test_layouts_of_the_other_splits(name, annotations, images, tmp_path):
    make(tmp_path, annotations, images)
    assert find_split(root=tmp_path, name=name) == SplitFiles(tmp_path / annotations, tmp_path / images)


def test_validation_stands_for_val_alone(tmp_path):
    make(tmp_path, "validation/labels.json", "validation/data")
    with pytest.raises(InputError, match="no annotation file of split 'train2017'"):
        find_split(root=tmp_path, name="train2017")


def test_explicit_paths(tmp_path):
    make(tmp_path, "labels/all.json", "photos")
    found = find_split(root=tmp_path, name="", annotations="labels/all.json", images=str(tmp_path / "photos"))
    assert found == SplitFiles(tmp_path / "labels/all.json", tmp_path / "photos")


def test_missing_data(tmp_path):
    with pytest.raises(InputError, match="wanted the folder of the data set, got nothing"):
        find_split(root=tmp_path / "none", name="train")
    with pytest.raises(InputError, match="wanted the folder of the data set, got an empty folder"):
        find_split(root=tmp_path, name="train")
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="got a file"):
        find_split(root=tmp_path / "x", name="train")
    with pytest.raises(InputError, match=r"no annotation file of split 'train2017'; looked for annotations/instances"):
        find_split(root=tmp_path, name="train2017")
    with pytest.raises(InputError, match="wanted a split's name or its annotation file"):
        find_split(root=tmp_path, name="")
    with pytest.raises(InputError, match=r"y\.json: no such annotation file"):
        find_split(root=tmp_path, name="", annotations="y.json")


def test_missing_and_empty_image_folder(tmp_path):
    make(tmp_path, "annotations/instances_val.json", "val")
    (tmp_path / "val/x.jpg").unlink()
    with pytest.raises(InputError, match=r"wanted the folder of the images of .*, got an empty folder"):
        find_split(root=tmp_path, name="val")
    (tmp_path / "val").rmdir()
    with pytest.raises(InputError, match=r"val: wanted the folder of the images of .*instances_val\.json, got nothing"):
        find_split(root=tmp_path, name="val")


def test_the_home_folder(monkeypatch, tmp_path):
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "a.png").touch()
    (tmp_path / "a.json").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    data = DataConfig(root="~/set", train=SplitConfig(annotations="~/a.json", images="images"))
    _, files = locate_split(data, data.train, "data.train")
    assert (files.annotations, files.images) == (tmp_path / "a.json", tmp_path / "set" / "images")
