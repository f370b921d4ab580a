"""The generated page and the schema it is generated from."""

import re
from pathlib import Path

import pytest

from mindrcnn.config import reference
from mindrcnn.config.run import Config
from mindrcnn.config.schema import Key, all_keys, describe_limits, sections_of
from mindrcnn.config.yaml_tree import parse_yaml
from mindrcnn.programs.config_reference import main

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "configuration.md"
KEYS = dict(all_keys(Config))


def test_page_is_in_step() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.render(), (
        "run: mindrcnn config-reference > docs/configuration.md"
    )


def test_check_mode_tells_a_stale_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    page = tmp_path / "page.md"
    page.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["--check", str(page)]) == 0
    page.write_text(page.read_text(encoding="utf-8").replace("`0.7`", "`0.8`"), encoding="utf-8")
    assert main(["--check", str(page)]) == 1
    assert "out of date" in capsys.readouterr().err
    assert main(["--check", str(tmp_path / "none.md")]) == 1


def test_page_has_one_row_for_each_key() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", reference.render(), re.MULTILINE)
    assert sorted(rows) == sorted(name for name, _ in all_keys(Config))  # each type of mask branch has its own
    assert len(KEYS) > 100


def test_rows_show_type_default_limits_and_meaning() -> None:
    page = reference.render()
    assert (
        "| `model.rpn.pre_nms_topk.train` | whole number | `2000` | from 1 to 100000 | Value while training. |" in page
    )
    assert "| `model.rpn.post_nms_topk.train` | whole number | `1000` | from 1 to 100000 |" in page
    assert "| `device.target` | one of CPU, GPU, Ascend | `CPU` |  | MindSpore device target. |" in page
    assert "| `model.mask` | null or mapping with type: mask_rcnn or ms_rcnn or point_rend | `null` |" in page
    assert "## `model.mask` with `type: mask_rcnn`" in page


def test_examples_in_the_introduction_are_valid_yaml() -> None:
    example = re.search(r"```yaml\n(.*?)```", reference.render(), re.DOTALL)
    assert example is not None
    tree = parse_yaml(example.group(1), "example")
    assert isinstance(tree.value, dict)
    assert set(tree.value) == {"base", "name", "data", "train"}
    assert (REPOSITORY / "configs" / str(tree.value["base"].value)).is_file()
    for path in re.findall(r"configs/\S+\.yaml", reference.render()):
        assert (REPOSITORY / path).is_file()


@pytest.mark.parametrize(("name", "key"), list(all_keys(Config)))
def test_every_key_has_a_meaning_and_a_valid_default(name: str, key: Key) -> None:
    assert re.match(r"^[A-Za-z0-9].*\.$", key.doc.strip(), re.DOTALL), f"{name} wants a sentence, got {key.doc!r}"
    for number in numbers_of(key):
        assert key.low is None or number >= key.low
        assert key.high is None or number <= key.high


def numbers_of(key: Key) -> list[float]:
    """The numbers in a default, through nested tuples."""
    pending, found = [key.default], []
    while pending:
        value = pending.pop()
        if isinstance(value, tuple):
            pending += value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(value)
    return found


def test_every_section_says_what_it_is() -> None:
    sections = {member for _, key in all_keys(Config) for member in sections_of(key.hint)}
    assert len(sections) > 15
    for section in sections:
        assert section.__doc__
        assert not section.__doc__.startswith(section.__name__ + "(")  # what dataclass writes when there is none


def test_limits_in_words() -> None:
    assert describe_limits(None, None) == ""
    assert describe_limits(0, 1) == "from 0 to 1"
    assert describe_limits(1e-6, None) == "at least 1e-06"
    assert describe_limits(None, 5) == "at most 5"
