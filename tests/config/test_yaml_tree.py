"""Reading, inheritance and overrides, before any type is looked at."""

from pathlib import Path

import pytest

from mindrcnn.config.yaml_tree import Node, dump_yaml, merge, override_tree, parse_yaml, read_tree
from mindrcnn.errors import InputError


def plain(node: Node) -> object:
    """The tree without its origins."""
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    return [plain(child) for child in node.value] if isinstance(node.value, list) else node.value


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / f"{next(iter(files))}.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("true", True),
        ("False", False),
        ("'true'", "true"),
        ("~", None),
        ("null", None),
        ("010", 10),
        ("-3", -3),
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("3x3", "3x3"),
        ("0676ba61", "0676ba61"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    got = parse_yaml(text, "x.yaml").value
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "value", ["off", "no", "1e5", "12", "1:30", "", "~", "true", "é: x", " a", 1e-5, 1e22, True, -7]
)
def test_dump_reads_back_with_its_type(value: object) -> None:
    got = plain(parse_yaml(dump_yaml({"a": {"b": value, "c": [value, []]}}), "x.yaml"))
    assert got == {"a": {"b": value, "c": [value, []]}}
    assert isinstance(got, dict)
    assert type(got["a"]["b"]) is type(value)


def test_origins_are_the_lines_of_keys_and_items() -> None:
    tree = parse_yaml("a: 1\nb:\n  c:\n    - 1\n    - 2\n", "x.yaml")
    assert isinstance(tree.value, dict)
    assert str(tree.value["b"].origin) == "x.yaml, line 2"
    section = tree.value["b"].value
    assert isinstance(section, dict)
    assert str(section["c"].origin) == "x.yaml, line 3"
    items = section["c"].value
    assert isinstance(items, list)
    assert str(items[1].origin) == "x.yaml, line 5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml, line 3: duplicate key a, already given at x.yaml, line 1"),
        ("a:\n  b: 1\n  b: 2\n", "x.yaml, line 3: duplicate key a.b, already given at x.yaml, line 2"),
        ("a:\n - {b: 1, b: 2}\n", "x.yaml, line 2: duplicate key a[0].b"),
        ("a: [1\nb: 2\n", "x.yaml, line 2: not valid YAML: "),
        ("a:\n\tb: 1\n", "x.yaml, line 2: not valid YAML: "),
        ("a: 1\n---\nb: 2\n", "x.yaml, line 2: not valid YAML: "),
        ("a: \x07\n", "x.yaml: not valid YAML: "),
        ("", "x.yaml: wanted keys and values, got nothing"),
        ("# only a comment\n", "x.yaml: wanted keys and values, got nothing"),
        ("a: !!python/object/apply:os.getcwd []\n", "x.yaml, line 1: a: unsupported YAML tag"),
        ("a: !!int x\n", "x.yaml, line 1: a: wanted a value of tag tag:yaml.org,2002:int, got 'x'"),
        ("a: &x [*x]\n", "x.yaml: wanted YAML of limited depth, got nesting without end"),
        ("[a]: 1\n", "x.yaml, line 1: top level: wanted a name as key"),
    ],
)
def test_bad_yaml_names_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "x.yaml")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "name"), [("a: 1\n---\nb: 2\n", "x.yaml"), ("c = ed({\n    'a': 1,\n})\n", "config.py")]
)
def test_a_file_of_the_model_zoo(text: str, name: str) -> None:
    with pytest.raises(
        InputError, match=r"`mindrcnn migrate FILE --out NEW\.yaml` converts configurations of the model"
    ):
        parse_yaml(text, name)


def test_base_merges_deeply_and_the_file_wins(tmp_path: Path) -> None:
    path = write(tmp_path, child="base: base.yaml\na: {x: 1}\nl: [3]\n", base="a: {x: 0, y: {z: 2}}\nl: [1, 2]\nk: 5\n")
    assert plain(read_tree(path)) == {"a": {"x": 1, "y": {"z": 2}}, "l": [3], "k": 5}


def test_bases_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "deep" / "er", child="base: ../middle.yaml\n")
    write(tmp_path / "deep", middle="base: ../top.yaml\na: 1\n")
    write(tmp_path, top="a: 0\nb: 2\n")
    monkeypatch.chdir(tmp_path)
    assert plain(read_tree(path.relative_to(tmp_path))) == {"a": 1, "b": 2}


def test_later_bases_win_and_may_share_a_base(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        child="base: [one.yaml, two.yaml]\nd: 4\n",
        one="base: root.yaml\na: 1\nb: 1\n",
        two="base: root.yaml\nb: 2\n",
        root="a: 0\nc: 0\n",
    )
    assert plain(read_tree(path)) == {"a": 0, "b": 2, "c": 0, "d": 4}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "base: a.yaml\n"}, "a.yaml: base: the files inherit from one another in a cycle: "),
        ({"a": "base: b.yaml\n", "b": "base: [c.yaml]\n", "c": "base: a.yaml\n"}, "a.yaml: base: the files inherit"),
        ({"a": "x: 1\nbase: nowhere.yaml\n"}, "a.yaml, line 2: base: no such file: {folder}/nowhere.yaml"),
        ({"a": "base: 3\n"}, "a.yaml, line 1: base: wanted a path or a list of paths, got 3 (whole number)"),
        ({"a": "base:\n- b.yaml\n- {x: 1}\n", "b": "y: 1\n"}, "a.yaml, line 3: base: wanted a path or a list of paths"),
        ({"a": "- 1\n"}, "a.yaml, line 1: wanted keys and values, got a list of 1"),
        ({"a": "base: b.yaml\n", "b": "word\n"}, "b.yaml, line 1: wanted keys and values, got 'word' (string)"),
    ],
)
def test_bad_bases(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_tree(write(tmp_path, **files))
    assert str(caught.value).startswith(f"{tmp_path}/{message.format(folder=tmp_path)}")


def test_cycle_lists_its_files(tmp_path: Path) -> None:
    path = write(tmp_path, start="base: a.yaml\n", a="base: b.yaml\n", b="base: a.yaml\n")
    with pytest.raises(InputError, match=r"cycle: .*a.yaml -> .*b.yaml -> .*a.yaml$") as caught:
        read_tree(path)
    assert "start.yaml" not in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.yaml: no such configuration file"):
        read_tree(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="wanted a file, got a folder"):
        read_tree(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(InputError, match=r"latin.yaml: wanted UTF-8 text, got other bytes at offset 9"):
        read_tree(tmp_path / "latin.yaml")


def test_a_section_of_another_type_replaces_the_bases() -> None:
    base = parse_yaml("m: {type: a, x: 1}", "base.yaml")
    assert plain(merge(base, parse_yaml("m: {type: b, y: 2}", "x"))) == {"m": {"type": "b", "y": 2}}
    assert plain(merge(base, parse_yaml("m: {type: a, y: 2}", "x"))) == {"m": {"type": "a", "x": 1, "y": 2}}
    assert plain(merge(base, parse_yaml("m: {y: 2}", "x"))) == {"m": {"type": "a", "x": 1, "y": 2}}
    assert plain(merge(base, parse_yaml("m: null", "x"))) == {"m": None}


def test_overrides_become_a_tree() -> None:
    tree = override_tree(["a.b=1", "a.c=[1, {d: 2}]", "e=", "f=x=y", "a.b=3", "g='2'"])
    assert plain(tree) == {"a": {"b": 3, "c": [1, {"d": 2}]}, "e": None, "f": "x=y", "g": "2"}


def test_override_order_does_not_matter_for_a_new_type() -> None:
    base = parse_yaml("m: {type: a, x: 1}", "base.yaml")
    expected = {"m": {"type": "b", "y": 2}}
    assert plain(merge(base, override_tree(["m.type=b", "m.y=2"]))) == expected
    assert plain(merge(base, override_tree(["m.y=2", "m.type=b"]))) == expected


@pytest.mark.parametrize("text", ["a.b", "=1", "a..b=1", ".a=1", ""])
def test_malformed_override(text: str) -> None:
    with pytest.raises(InputError) as caught:
        override_tree([text])
    assert str(caught.value) == f"command line: wanted an override of the form a.b=value, got {text!r}"


def test_override_that_is_not_yaml() -> None:
    with pytest.raises(InputError, match=r"^command line: not valid YAML: .* \(in a\.b=\[1\)$"):
        override_tree(["a.b=[1"])


BILLION = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BILLION, "wanted up to 20000 values, counting those that aliases repeat"),
        (BILLION.replace("[*", "{*").replace("]", ": 1}").replace(", *", ": 1, *"), "not valid YAML|wanted a name"),
        ("a: [" + "x," * 30_000 + "]", "wanted up to 20000 values"),
        ("a: " + "x" * 2_000_000, "wanted up to 1000000 characters, got 2000003"),
        ("[" * 100_000, "limited depth"),
        ("a: &a [*a]", "limited depth"),
        ("a: " + "9" * 5000, "wanted a value of tag"),
    ],
    ids=["lists", "mappings", "values", "characters", "nesting", "cycle", "digits"],
)
def test_texts_without_end(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_yaml(text, "stranger.yaml")


def test_an_alias_is_the_value_that_it_repeats() -> None:
    assert parse_yaml("a: &side [3, 4]\nb: *side", "c.yaml").value["b"].value[1].value == 4
