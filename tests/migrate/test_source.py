"""The zoo's files as they are read: literals, arithmetic, documents, and what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from mindrcnn.errors import InputError
from mindrcnn.migrate.literals import Expression
from mindrcnn.migrate.source import ZooFile, read_zoo_file


def read(folder: Path, name: str, text: str) -> ZooFile:
    (folder / name).write_text(text)
    return read_zoo_file(folder / name)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("config = ed({'a': 1/3.0, 'b': (28, 28), 'c': -1})", {"a": 1 / 3, "b": [28, 28], "c": -1}),
        ("c = EasyDict({'a': dict(type='x', size=2 * 7)})", {"a.type": "x", "a.size": 14}),
        ("c = easydict.EasyDict(a=True)\nc.b = None\nc['d'] = [1.5]", {"a": True, "b": None, "d": [1.5]}),
        ("rcnn_num_layers = 2\nbase_lr = 1e-4\n", {"rcnn_num_layers": 2, "base_lr": 1e-4}),
        ("c = {'a': os.path.join('x', 'y')}", {"a": Expression("os.path.join('x', 'y')")}),
        ("c = {'a': 1/0, 'b': 9**9, 'd': 'x' * 9}", {"a": "1 / 0", "b": "9 ** 9", "d": "'x' * 9"}),
        ("c = {'a': " + "*".join(["9" * 200] * 5) + "}", {"a": " * ".join(["9" * 200] * 5)}),
    ],
)
def test_python_is_read(tmp_path: Path, text: str, values: dict[str, Any]) -> None:
    found = read(tmp_path, "config.py", text).values
    assert {name: getattr(value, "text", value) for name, value in found.items()} == {
        name: getattr(value, "text", value) for name, value in values.items()
    }


def test_python_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"import os\nc = ed({{'a': open({str(mark)!r}, 'w')}})\nopen({str(mark)!r}, 'w')\nc.update(b=2)\n"
    file = read(tmp_path, "config.py", text)
    assert not mark.exists()
    assert [line.split(":")[0] for line in file.statements] == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: 1/3.0\nb: (28, 28)\nc: 1e-5\n", {"a": 1 / 3, "b": [28, 28], "c": 1e-5}),
        ("a: dict(type='RoIAlign', out_size=7)\n", {"a.type": "RoIAlign", "a.out_size": 7}),
        ("a: ('background',\n    'hot dog')\n", {"a": ["background", "hot dog"]}),
        ("a: './'\nb: 2017-01\nc: (open\nd: true\n", {"a": "./", "b": "2017-01", "c": "(open", "d": True}),
    ],
)
def test_yaml_is_read_as_the_zoo_reads_it(tmp_path: Path, text: str, values: dict[str, Any]) -> None:
    assert read(tmp_path, "c.yaml", text).values == values


def test_the_three_documents(tmp_path: Path) -> None:
    file = read(tmp_path, "c.yaml", "# values\na: 1\n---\n# help\na: 'What a is'\n\n---\na: [1, 2]\n")
    assert (file.values, file.notes, file.choices) == ({"a": 1}, {"a": "What a is"}, {"a": [1, 2]})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.py", "c = ed({", "c.py, line 1: not valid Python: "),
        ("c.py", "import os\n", "c.py: wanted keys and values, got nothing"),
        ("c.py", "c = ed({1: 2})", "c.py: wanted a dict of literals, got a key that is no string"),
        ("c.py", "c = ed(**x)", "c.py: wanted a dict of literals, got a key that is no string"),
        ("c.py", "c = {'a': " + "(" * 5000 + ")" * 5000 + "}", "c.py"),
        ("c.py", "c = {'a': " + "-" * 50000 + "1}", "c.py"),
        ("c.yaml", "", "c.yaml: wanted keys and values, got nothing"),
        ("c.yaml", "- 1\n", "c.yaml, line 1: wanted keys and values, got other YAML"),
        ("c.yaml", "a: 1\n---\nb: [\n", "c.yaml, line 4: not valid YAML"),
        ("c.yaml", "a: 1\n---\nb: 1\n---\nc: 1\n---\nd: 1\n", "wanted up to 3 YAML documents"),
        ("c.yaml", "a: 1\na: 2\n", "c.yaml, line 2: duplicate key a"),
        ("c.yaml", "MODEL: {MASK_ON: true}\n", "got one like detectron2's"),
        ("c.yaml", "#" * 1_000_001, "wanted up to 1000000 characters, got more"),
    ],
)
def test_other_files_are_one_message(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, name, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    for name, text in (("c.py", "config = dict(a=1)\n"), ("c.yaml", "a: 1\r\n---\r\na: what it means\r\n")):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_zoo_file(tmp_path / name).values == {"a": 1}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.yaml")
    with pytest.raises(InputError, match="wanted a file, got a pipe"):
        read_zoo_file(tmp_path / "c.yaml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_bytes(b"\xff")
    for path, message in ((tmp_path / "c.py", "wanted UTF-8 text"), (tmp_path, "wanted a file, got a folder")):
        with pytest.raises(InputError, match=message):
            read_zoo_file(path)
