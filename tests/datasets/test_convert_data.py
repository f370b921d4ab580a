"""mindrcnn convert-data: what it writes is read as the export itself is."""

import json

import pytest
import tool_exports
from tool_exports import BOXES, EXPORTS

from mindrcnn.build.data import build_dataset
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.programs.convert_data import main


def objects(root, **split):
    config = SplitConfig(**split)
    dataset = build_dataset(DataConfig(root=str(root), train=config), config, "data.train")
    return dataset.classes, [
        (record.path.name, record.boxes.tolist(), record.labels.tolist()) for record in dataset.records
    ]


@pytest.mark.parametrize("export", ["labelme", "via", "yolo", "lvis", "cityscapes", "voc"])
def test_the_file_is_read_as_the_export(export, tmp_path, capsys):
    root, out = tmp_path / "set", tmp_path / "new/out.json"
    (EXPORTS | BOXES)[export][0](root)
    for _ in range(2):  # a file of its own is replaced
        assert main([str(root), str(out), "--split", "train"]) == 0
    printed = capsys.readouterr().out
    assert f"{out}: 3 images, {4 if export == 'lvis' else 3} objects, 3 classes" in printed
    (images,) = {line.split()[-1] for line in printed.splitlines() if "root:" in line}
    assert objects(images, annotations=str(out), images=".") == objects(root, name="train")
    assert json.loads(out.read_text())["comment"] == "written by MindRCNN"


def test_what_is_not_converted(tmp_path, capsys):
    tool_exports.cvat(tmp_path)
    assert main([str(tmp_path), str(tmp_path / "out.json"), "--split=train"]) == 2
    assert "wanted the export of a tool, got COCO JSON, which is read" in capsys.readouterr().err
    tool_exports.labelme(tmp_path / "l")
    source, foreign = tmp_path / "l/train", tmp_path / "foreign.json"
    foreign.write_text("{}")
    assert main([str(source), str(foreign)]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    (source / "b.json").write_text("{")
    assert main([str(source), str(tmp_path / "out.json")]) == 2
    assert "b.json: wanted JSON" in capsys.readouterr().err
    assert not list(tmp_path.glob("*out*"))
