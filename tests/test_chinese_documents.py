"""The Chinese documents say what the English ones say: the same headings, commands, tables, keys, numbers and links."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = Path("docs")
CHINESE = {  # by English document
    Path("README.md"): Path("README_CN.md"),
    DOCS / "finetune.md": DOCS / "zh" / "finetune.md",
    DOCS / "own_data.md": DOCS / "zh" / "own_data.md",
    DOCS / "migrate.md": DOCS / "zh" / "migrate.md",
    DOCS / "deploy.md": DOCS / "zh" / "deploy.md",
}
ENGLISH_ONLY = {DOCS / "migrate.md": "\n## Keys\n"}  # where the table of keys begins, which a program prints
CHINESE_ONLY = {DOCS / "migrate.md": "\n## 参数\n"}

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)*(?![\w.]*`)")


def texts(english: Path) -> tuple[str, str]:
    """Both documents, as far as they are translated."""
    ours = (REPOSITORY / english).read_text(encoding="utf-8")
    theirs = (REPOSITORY / CHINESE[english]).read_text(encoding="utf-8")
    end, chinese_end = ENGLISH_ONLY.get(english), CHINESE_ONLY.get(english)
    return ours.partition(end)[0] if end else ours, theirs.partition(chinese_end)[0] if chinese_end else theirs


def commands(text: str) -> list[list[str]]:
    """The lines of each block of code, without their remarks."""
    blocks = []
    for block in FENCE.findall(text):
        lines = [re.sub(r"\s+# .*|^# .*", "", line) for line in block.splitlines()]
        blocks.append([line for line in lines if line.strip()])
    return blocks


def tables(text: str) -> list[tuple[int, list[str], list[str]]]:
    """Of each row: its number of cells, what is set as code, and the numbers outside of code."""
    rows = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    return [
        (
            len(re.split(r" ?\| ?", CODE.sub("", row))),
            sorted(CODE.findall(row)),
            sorted(NUMBER.findall(CODE.sub("", row))),
        )
        for row in rows
        if set(row) - set("|-")
    ]


def headings(text: str) -> list[str]:
    return [marks for marks in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]


def targets(document: Path, text: str) -> list[str]:
    """The documents that the links lead to, with a # for a heading; a Chinese document stands for the English one."""
    english = {str(theirs): str(ours) for ours, theirs in CHINESE.items()}
    found = []
    for target in LINK.findall(text):
        if target.startswith("http"):
            found.append(target)
            continue
        name, mark, _ = target.partition("#")
        file = REPOSITORY / document.parent / name if name else REPOSITORY / document
        place = str(file.resolve().relative_to(REPOSITORY))
        found.append(english.get(place, place) + mark)
    return sorted(found)


def leads_somewhere(document: Path, target: str) -> bool:
    """Whether the file exists, and in it the heading that stands after a `#`."""
    name, _, anchor = target.partition("#")
    file = REPOSITORY / document.parent / name if name else REPOSITORY / document
    if not anchor:
        return file.exists()
    titles = re.findall(r"^#+ (.*)", FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
    return anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("english", CHINESE, ids=str)
def test_commands_and_tables_are_equal(english: Path) -> None:
    ours, theirs = texts(english)
    assert commands(theirs) == commands(ours)
    assert tables(theirs) == tables(ours)
    assert headings(theirs) == headings(ours)


@pytest.mark.parametrize("english", CHINESE, ids=str)
def test_words_set_as_code_and_links_are_equal(english: Path) -> None:
    ours, theirs = texts(english)
    assert set(CODE.findall(FENCE.sub("", theirs))) == set(CODE.findall(FENCE.sub("", ours)))
    assert targets(CHINESE[english], theirs) == targets(english, ours)


@pytest.mark.parametrize("document", CHINESE.values(), ids=str)
def test_links_of_the_chinese_documents_lead_somewhere(document: Path) -> None:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    local = [target for target in LINK.findall(text) if not target.startswith("http")]
    assert [target for target in local if not leads_somewhere(document, target)] == []


@pytest.mark.parametrize("english", CHINESE, ids=str)
def test_it_is_written_in_chinese(english: Path) -> None:
    _, theirs = texts(english)
    prose = [
        part for part in FENCE.sub("", theirs).split("\n\n") if not part.startswith(("|", "#", "    ", "- S.", "["))
    ]
    assert [part for part in prose if part.strip() and not re.search(r"[\u4e00-\u9fff]", part)] == []


def test_a_difference_is_seen() -> None:
    assert leads_somewhere(DOCS / "zh" / "migrate.md", "../deploy.md#ascend")
    assert not leads_somewhere(DOCS / "zh" / "migrate.md", "../deploy.md#descend")
    assert not leads_somewhere(DOCS / "zh" / "migrate.md", "../depart.md")
    row = "| `a.b` and `c` | 3 of 4.5 |"
    assert tables(row) != tables("| `a.b` | 3 of 4.5 |")
    assert tables(row) != tables("| `a.b` and `c` | 3 of 4 |")
    assert tables(row) == tables("| `c` 和 `a.b` | 4.5 中的 3 |")
    assert commands("```bash\nrun a  # why\n```") == commands("```bash\nrun a  # 为什么\n```")
    assert commands("```bash\nrun a\n```") != commands("```bash\nrun b\n```")
