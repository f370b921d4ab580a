"""Promises of the documents that can be checked against the repository."""

import contextlib
import importlib
import io
import re
from functools import cache
from pathlib import Path

import pytest

from mindrcnn import cli
from mindrcnn.config.run import Config
from mindrcnn.config.schema import all_keys

REPOSITORY = Path(__file__).resolve().parents[1]
FIRST_SCREEN_LINES = 40
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
CALL = re.compile(r"(?<![\w./-])mindrcnn ([a-z][a-z-]*)([^`|;&\n]*)")


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


@cache
def help_of(command: str) -> str:
    program = importlib.import_module(f"mindrcnn.programs.{cli.COMMANDS[command].module}")
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        program.parse_arguments(["--help"])
    return printed.getvalue()


@cache
def sections_and_keys() -> frozenset[str]:
    keys = [dotted.split(".") for dotted, _ in all_keys(Config)]
    return frozenset(".".join(parts[:count]) for parts in keys for count in range(1, len(parts) + 1))


def mistakes(text: str) -> list[str]:
    """Calls of `mindrcnn` in code whose command, option or key does not exist."""
    text = text.replace("\\\n", " ")
    code = "\n".join([*code_blocks(text, "bash"), *re.findall(r"`([^`\n]+)`", text)])
    found = []
    for command, words in CALL.findall(re.sub(r"\s#.*", "", code)):
        if command not in cli.COMMANDS:
            found.append(command)
            continue
        found += [option for option in re.findall(r"(?<!\S)--[a-z-]+", words) if option not in help_of(command)]
        found += [key for key in re.findall(r"(?<!\S)((?:\w+\.)+\w+)=", words) if key not in sections_and_keys()]
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_options_and_keys_exist(document: Path) -> None:
    assert mistakes(document.read_text(encoding="utf-8")) == []


def test_a_command_that_does_not_exist_is_seen() -> None:
    text = "`mindrcnn evaluate a`\n```bash\nmindrcnn eval a --limits 3 \\\n  data.rot=x eval.limit=4  # mindrcnn b\n```"
    assert mistakes(text) == ["--limits", "data.rot", "evaluate"]
