"""The beginning of a JSON file."""

import json

import pytest

from mindrcnn.data.formats import json_head
from mindrcnn.data.formats.json_head import read_json_head
from mindrcnn.errors import InputError


@pytest.mark.parametrize("rows", [[{"id": 1}], [{"id": 2}, {"id": 3}], []])
def test_a_beginning_has_the_first_element_of_each_list(tmp_path, rows):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"info": {"year": 2017}, "images": rows}))
    head = read_json_head(path)
    assert head.values == {"info": {"year": 2017}, "images": rows[0] if rows else None}
    assert head.row("info") == {"year": 2017}
    assert head.row("images") == (rows[0] if rows else {})
    assert head.row("absent") == {}


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    parsed = []
    stream = json_head.JsonStream
    monkeypatch.setattr(json_head, "JsonStream", lambda file: parsed.append(file) or stream(file))
    path = tmp_path / "a.json"
    path.write_text('{"images": [1]}')
    assert [read_json_head(path).values["images"] for _ in range(3)] == [1, 1, 1]
    path.write_text('{"images": [22]}')
    assert read_json_head(path).values["images"] == 22
    assert len(parsed) == 2
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        read_json_head(path)


def test_nothing_is_read_after_the_tables_by_which_coco_is_known(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"info": {}, "images": [{"id": 1}, {"id": 2}], "annotations": [{"id": 3}], "type": 4}))
    assert read_json_head(path).values == {"info": {}, "images": {"id": 1}, "annotations": {"id": 3}}
