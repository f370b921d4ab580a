"""Promises of the documents that can be checked against the repository."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FIRST_SCREEN_LINES = 40
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def readme() -> str:
    return (REPOSITORY / "README.md").read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_first_screen_of_the_readme_shows_a_picture_two_commands_and_five_lines_of_python() -> None:
    first_screen = readme().split("\n## ")[0]
    assert len(first_screen.splitlines()) <= FIRST_SCREEN_LINES
    assert re.search(r"^!\[.+\]\(docs/[\w.]+\)$", first_screen, re.MULTILINE)
    commands = [
        line.split("#")[0].strip() for block in code_blocks(first_screen, "bash") for line in block.splitlines()
    ]
    assert commands == ["bash scripts/quickstart.sh", "bash scripts/test.sh"]
    (python,) = code_blocks(first_screen, "python")
    assert python.startswith("import mindrcnn\n")
    assert len([line for line in python.splitlines() if line]) == 5


def test_the_readme_lists_every_configuration() -> None:
    configs = sorted((REPOSITORY / "configs").glob("**/*.yaml"))
    names = {str(path.relative_to(REPOSITORY / "configs")) for path in configs if path.parent.name != "_base_"}
    models = readme().split("\n## Models")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| `([\w/]+\.yaml)` \|", models, re.MULTILINE))
    assert names
    assert listed == names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("https://", "http://"))]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_configuration_files_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"\bconfigs/[\w/]+\.yaml", document.read_text(encoding="utf-8"))
    assert [name for name in named if not (REPOSITORY / name).is_file()] == []


def test_the_readme_names_the_pinned_mindspore() -> None:
    pinned = re.search(r"^mindspore==(\S+)$", (REPOSITORY / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"MindSpore {pinned[1]}" in readme()
