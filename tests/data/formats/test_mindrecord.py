import dataclasses
import json
import os
import re
import shutil

import numpy as np
import pytest
import tool_exports

from mindrcnn.build.data import build_dataset
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.data.batching.batch import InputFormat, ObjectFormat
from mindrcnn.data.batching.loader import TrainLoader
from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.mindrecord import convert as conversion
from mindrcnn.data.formats.mindrecord.annotation import decode_mask, encode_mask
from mindrcnn.data.formats.mindrecord.convert import Source, convert
from mindrcnn.data.formats.mindrecord.manifest import read_manifest
from mindrcnn.data.formats.mindrecord.pages import pack
from mindrcnn.data.formats.mindrecord.reader import read_mindrecord
from mindrcnn.data.masks import Polygons, RunLengths
from mindrcnn.data.record import training_records
from mindrcnn.data.transforms.augment import Augment
from mindrcnn.datasets.demo import make_demo
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import ground_truth_of
from mindrcnn.programs.mindrecord import main
from mindrcnn.tasks.mindrecord_folder import build_training_dataset

IMAGES = 10


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder, train_images=IMAGES, val_images=1, size=96, seed=3)
    return Source(files=SplitFiles(folder / "annotations/instances_train.json", folder / "train"))


@pytest.fixture(scope="module")
def converted(source, tmp_path_factory):
    """In three shards, by two processes."""
    folder = tmp_path_factory.mktemp("converted") / "train"
    convert(source, folder, shards=3, workers=2)
    return folder


@pytest.fixture
def copied(converted, tmp_path):
    return shutil.copytree(converted, tmp_path / "copy")


def shard(folder, index=0, suffix=".mindrecord"):
    return folder / f"shard-{index:05d}-of-00003{suffix}"


def test_records_are_what_the_json_file_gives(source, converted):
    expected, dataset = source.read(), read_mindrecord(folder=converted)
    assert (dataset.classes, dataset.category_ids) == (expected.classes, expected.category_ids)
    assert len(dataset.records) == len(expected.records) == IMAGES
    assert dataset.has_masks
    kinds = set()
    for one, other in zip(dataset.records, expected.records, strict=True):
        assert (one.image_id, one.size, one.path.name) == (other.image_id, other.size, other.path.name)
        for name in ("boxes", "labels", "crowd"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
        assert one.encoded() == other.path.read_bytes()
        for mask, wanted in zip(one.segmentations, other.segmentations, strict=True):
            assert encode_mask(mask) == encode_mask(wanted)
            kinds.add(type(mask))
    assert kinds == {Polygons, RunLengths}


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_json_file(source, converted, workers):
    def batches(dataset):
        loader = TrainLoader(
            records=training_records(dataset, keep_empty_images=False),
            input_format=InputFormat(buckets=((96, 128), (128, 96)), short_side=96),
            object_format=ObjectFormat(max_objects=3, mask_side=28),
            augment=Augment(flip_prob=0.5, photometric_prob=0.5, expand_prob=0.5, crop_prob=0.5),
            batch_size=2,
            seed=5,
            workers=workers,
        )
        return [batch for epoch in range(2) for batch in loader.epoch(epoch)]

    first, second = batches(read_mindrecord(folder=converted)), batches(source.read())
    assert len(first) == len(second) > 4
    for one, other in zip(first, second, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_mindspore_reads_the_files(source, converted):
    from mindspore.mindrecord import FileReader

    rows = []
    for index in range(3):
        reader = FileReader(str(shard(converted, index)), num_consumer=1)
        rows += list(reader.get_next())
        reader.close()
    records = {record.image_id: record for record in source.read().records}
    assert sorted(int(row["image_id"]) for row in rows) == sorted(records)
    for row in rows:
        record = records[int(row["image_id"])]
        assert bytes(row["image"]) == record.path.read_bytes()
        assert (row["file_name"], int(row["height"]), int(row["width"])) == (record.path.name, *record.size)
        annotation = bytes(row["annotation"])
        assert int(np.frombuffer(annotation[:4], "<u4")[0]) == len(record.labels)
        boxes = np.frombuffer(annotation[4 : 4 + 16 * len(record.labels)], "<f4").reshape(-1, 4)
        np.testing.assert_array_equal(boxes, record.boxes)


def test_a_configuration_names_the_folder(source, converted):
    data = DataConfig(root=str(converted.parent), train=SplitConfig(format="mindrecord", annotations=converted.name))
    dataset = build_dataset(data, data.train, "data.train")
    read = source.read()
    bare = [dataclasses.replace(record, stated=None) for record in read.records]
    made, wanted = ground_truth_of(dataset), ground_truth_of(dataclasses.replace(read, records=bare))
    assert (made.images, made.categories, made.annotations) == (wanted.images, wanted.categories, wanted.annotations)
    with pytest.raises(ValueError, match=r"data\.train\.annotations.*the folder with format mindrecord"):
        DataConfig(root="x", train=SplitConfig(format="mindrecord"))


def test_a_stopped_conversion_goes_on(source, copied, monkeypatch):
    """One shard is lost, one has a wrong bit, one is as it was."""
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    (copied / "index.json").unlink()
    shard(copied, 0, ".npz").unlink()
    content = bytearray(before[shard(copied, 1).name])
    content[-1] ^= 1
    shard(copied, 1).write_bytes(content)
    (copied / ".shard-00000-of-00003.partial").mkdir()
    written = []
    original = conversion.write_shard
    monkeypatch.setattr(
        conversion,
        "write_shard",
        lambda path, *rest, **options: written.append(path.name) or original(path, *rest, **options),
    )
    outcome = convert(source, copied, shards=3, workers=0)
    assert outcome.kept == 1
    assert written == [shard(copied, 0).name, shard(copied, 1).name]
    assert sorted(path.name for path in copied.iterdir()) == sorted(before)
    assert len(read_mindrecord(folder=copied).records) == IMAGES


@pytest.mark.parametrize("suffix", [".mindrecord", ".mindrecord.db", ".npz"])
def test_files_of_others_are_not_replaced(source, tmp_path, suffix):
    """In a folder where no conversion was: a file of the same name is somebody else's."""
    out = tmp_path / "out"
    out.mkdir()
    theirs = shard(out, 1, suffix)
    theirs.write_bytes(b"of others")
    with pytest.raises(InputError, match=rf"{theirs.name}: would be replaced, and MindRCNN did not write it"):
        convert(source, out, shards=3, workers=0)
    assert list(out.iterdir()) == [theirs]
    assert theirs.read_bytes() == b"of others"


def test_force_replaces_files_of_others(source, copied):
    shard(copied, 1).write_bytes(b"of others")
    shard(copied, 1, ".npz").write_bytes(b"of others")
    with pytest.raises(InputError, match="would be replaced"):
        convert(source, copied, shards=3, workers=0)
    assert convert(source, copied, shards=3, workers=0, force=True).kept == 2
    assert len(read_mindrecord(folder=copied).records) == IMAGES


def test_changed_annotations_are_converted_again(source, copied, tmp_path):
    content = json.loads(source.files.annotations.read_text())
    content["annotations"] = content["annotations"][1:]
    annotations = tmp_path / "other.json"
    annotations.write_text(json.dumps(content))
    outcome = convert(
        dataclasses.replace(source, files=SplitFiles(annotations, source.files.images)), copied, shards=3, workers=0
    )
    assert outcome.kept == 0
    assert outcome.manifest.objects == len(content["annotations"])


def test_an_absent_image_leaves_no_index(source, tmp_path):
    images = shutil.copytree(source.files.images, tmp_path / "images")
    last = sorted(images.iterdir())[-1]
    last.write_bytes(b"")
    files = SplitFiles(source.files.annotations, images)
    with pytest.raises(InputError, match=f"{last.name}: wanted an image, got an empty file"):
        convert(dataclasses.replace(source, files=files), tmp_path / "out", shards=2, workers=0)
    with pytest.raises(InputError, match=r"index\.json: no such index of a finished conversion"):
        read_mindrecord(folder=tmp_path / "out")


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


DAMAGES = {
    "shard missing": (lambda folder: shard(folder, 1).unlink(), r"shard-00001-of-00003\.mindrecord: no such shard"),
    "shard cut": (
        lambda folder: cut(shard(folder, 2)),
        r"00002-of-00003\.mindrecord: wanted a shard of \d+ bytes",
    ),
    "columns missing": (lambda folder: shard(folder, 1, ".npz").unlink(), r"shard-00001-of-00003\.npz: cannot be read"),
    "columns cut": (lambda folder: cut(shard(folder, 1, ".npz")), r"shard-00001-of-00003\.npz: wanted the columns"),
    "index cut": (lambda folder: cut(folder / "index.json") or cut(folder / "index.json"), r"index\.json: .*damaged"),
    "other columns": (
        lambda folder: shutil.copy(shard(folder, 0, ".npz"), shard(folder, 1, ".npz")),
        r"shard-00001-of-00003\.mindrecord: .*another conversion",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_data_names_the_file(name, copied):
    damage, message = DAMAGES[name]
    damage(copied)
    with pytest.raises(InputError, match=message):
        read_mindrecord(folder=copied)


@pytest.mark.parametrize("counts", [[-1, 4], [2**31 - 1, 2**31 - 1], [0, 0]])
def test_counts_of_objects_that_cannot_be(copied, counts):
    path = shard(copied, 1, ".npz")
    columns = dict(np.load(path))
    columns["counts"][:2] = counts
    np.savez(path, **columns)
    with pytest.raises(InputError, match=rf"{path.name}|shard-00001.*impossible numbers in counts"):
        read_mindrecord(folder=copied)


def test_another_version_is_named(copied):
    index = copied / "index.json"
    index.write_text(index.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(InputError, match=r"index\.json: wanted version 1 of the format, got version 2"):
        read_mindrecord(folder=copied)


def test_a_damaged_image_is_named_when_it_is_read(copied):
    record = read_mindrecord(folder=copied).records[0]
    path = shard(copied)
    content = path.read_bytes()
    place = content.index(record.encoded())
    path.write_bytes(content[: place + 100] + bytes([content[place + 100] ^ 1]) + content[place + 101 :])
    with pytest.raises(InputError, match=rf"{path.name}: image {record.path.name} is damaged"):
        read_mindrecord(folder=copied).records[0].image()


def test_other_classes_than_converted_are_an_error(converted):
    classes = read_mindrecord(folder=converted).classes
    assert read_mindrecord(folder=converted, classes=classes).classes == classes
    with pytest.raises(InputError, match=r"index\.json: wanted the classes of data\.classes"):
        read_mindrecord(folder=converted, classes=classes[::-1])


def test_a_txt_list_has_boxes_only(source, tmp_path, capsys):
    lines = [f"{record.path.name} 1,2,30,40,b" for record in source.read().records]
    (tmp_path / "list.txt").write_text("\n".join([*lines[:-1], lines[-1].split()[0]]))
    arguments = [str(tmp_path / "list.txt"), "--images", str(source.files.images), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--format", "txt", "--classes", "a", "b", "--workers", "0"]) == 0
    assert "10 images, 9 objects in 1 shards (0 of them were there)" in capsys.readouterr().out
    dataset = read_mindrecord(folder=tmp_path / "out")
    assert dataset.records[0].labels.tolist() == [2]
    assert list(dataset.records[0].segmentations) == [None]
    assert len(dataset.records[-1].labels) == 0
    assert list(dataset.without_mask) == list(range(1, 10))


@pytest.mark.parametrize(
    ("export", "file", "word"),
    [
        ("yolo", "labels/train/a.txt", "1 "),
        ("labelme", "train/a.json", "fig"),
        ("via", "train/via_project.json", "fig"),
    ],
)
def test_exports_of_tools(export, file, word, tmp_path, capsys):
    """By the program, and by data.mindrecord_dir; the split and the class attribute count."""
    tool_exports.EXPORTS[export][0](tmp_path / "in")
    (tmp_path / "in/images/val").mkdir(parents=True)
    root = tmp_path / "in"
    data = DataConfig(root=str(root), train=SplitConfig(name="train"), mindrecord_dir=str(tmp_path / "made"))
    expected = build_dataset(data, data.train, "data.train")
    words = [str(root), "--split", "train", "--out", str(tmp_path / "made/train"), "--workers", "0"]
    assert main(words) == 0, capsys.readouterr().err
    made = build_training_dataset(data, Ranks())
    assert (made.classes, made.category_ids) == (expected.classes, expected.category_ids)
    for one, other in zip(made.records, expected.records, strict=True):
        assert (one.image_id, one.labels.tolist()) == (other.image_id, other.labels.tolist())
        np.testing.assert_array_equal(one.boxes, other.boxes)
    changed = root / file
    changed.write_text(re.sub("plum|^2 ", word, changed.read_text()))
    with pytest.raises(InputError, match=r"data\.mindrecord_dir: wanted a folder for "):
        build_training_dataset(data, Ranks())


def test_files_that_are_converted_already(converted, tmp_path, capsys):
    assert main([str(converted), "--out", str(tmp_path / "again")]) == 2
    assert "wanted annotations to convert, got MindRecord files" in capsys.readouterr().err
    train = SplitConfig(annotations=converted.name)  # recognised, and read as they are
    data = DataConfig(root=str(converted.parent), train=train, mindrecord_dir=str(tmp_path / "made"))
    assert len(build_training_dataset(data, Ranks()).records) == IMAGES
    assert not (tmp_path / "made").exists()


def test_the_program_says_what_is_wrong(tmp_path, capsys):
    assert main([str(tmp_path / "no.json"), "--images", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "no.json: no such annotation file" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"\1\0\0\0", b"\1\0\0\0\5\0\0\0", b"\2\0\0\0" * 4, b"\3\0\0\0" * 3, b"abc"])
def test_bytes_that_are_no_mask(content):
    with pytest.raises(ValueError, match=r"mask|buffer size"):
        decode_mask(content)


def test_pages_waste_little():
    rng = np.random.default_rng(0)
    for total, limit in ((3e6, 1.4), (20e6, 1.07), (1e9, 1.01)):
        sizes = rng.integers(50_000, 400_000, size=int(total / 225_000)).tolist()
        packing = pack(sizes)
        assert sorted(packing.order) == list(range(len(sizes)))
        used, count = 0, 1
        for index in packing.order:  # as MindRecord does
            if used + sizes[index] + 64 > packing.page:
                count, used = count + 1, 0
            used += sizes[index] + 64
        assert (packing.header + (count + 1) * packing.page) / sum(sizes) < limit
    assert pack([1 << 29]) is None


def test_a_full_disk_is_one_message(source, tmp_path, monkeypatch):
    class FullDisk:
        def __init__(self, *arguments, **options):
            raise RuntimeError("Exception thrown.\n\n- Message: \n[ERROR] No free disk to be used\n\n- C++ Call Stack")

    monkeypatch.setattr("mindspore.mindrecord.FileWriter", FullDisk)
    with pytest.raises(InputError, match=r"cannot write .*\.mindrecord: No free disk to be used; \d.* MB are free"):
        convert(source, tmp_path / "out", shards=1, workers=0)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_in_another_encoding_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="wanted a path in UTF-8"):
        convert(source, tmp_path / "caf\udce9", shards=1, workers=0)


GOOD = {
    "format": "mindrcnn-mindrecord", "version": 1, "source": "s", "classes": ["cat"], "category_ids": [1],
    "shards": [{"file": "a.mindrecord", "images": 1, "objects": 1, "bytes": 9, "sha256": "", "index_bytes": 1,
                "index_sha256": ""}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": 5}, "source: wanted a text"),
        ({"version": [1]}, "version"),
        ({"classes": [["cat"]]}, "classes"),
        ({"classes": "c"}, "classes"),
        ({"category_ids": [1.5]}, "category_ids"),
        ({"category_ids": [1, 2]}, "as many classes"),
        ({"shards": []}, "shards"),
        ({"shards": [{**GOOD["shards"][0], "file": "../a.mindrecord"}]}, "shards"),
        ({"shards": [{**GOOD["shards"][0], "images": -1}]}, "shards"),
        ({"shards": [{**GOOD["shards"][0], "bytes": 10**400}]}, "shards"),
        ({"shards": [{**GOOD["shards"][0], "more": 1}]}, "shards"),
    ],
)
def test_a_manifest_of_other_content(changes, message, tmp_path):
    (tmp_path / "index.json").write_text(json.dumps(GOOD))
    assert read_manifest(tmp_path).images == 1
    (tmp_path / "index.json").write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)
