"""The shape of the code: which package may import which, sizes, and habits that no linter rule covers.

Every rule is a function from source modules to a list of complaints. It is run on the package, and on a small module
that breaks it, so that a rule that no longer sees anything is noticed.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "mindrcnn"
PROGRAMS = ("train.py", "eval.py", "infer.py", "export.py")

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60

# What each part may import from the package, besides itself and `errors`. docs/architecture.md has the same table.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "compilation": set(),
    "concurrency": set(),
    "cpu_setup": set(),
    "messages": set(),
    "paths": set(),
    "tolerant_output": set(),
    "untrusted": set(),
    "zoo": set(),
    "atomic": {"paths"},
    "cache": {"paths"},
    "hashing": {"paths"},
    "outputs": {"paths"},
    "published": {"messages", "paths", "untrusted"},
    "data": {"atomic", "concurrency", "hashing", "messages", "outputs", "paths", "untrusted"},
    "trusted_files": {"atomic", "hashing", "paths"},
    "extensions": {"data"},
    "native": {"atomic", "cache", "trusted_files"},
    "test_time": {"data"},
    "config": {"data", "extensions", "messages", "paths", "untrusted", "zoo"},
    "evaluation": {"atomic", "data", "messages", "native", "outputs", "paths", "untrusted"},
    "graphs": {"cache", "native", "paths", "trusted_files"},
    "ops": {"native"},
    "drawing": {"atomic", "data", "evaluation", "outputs", "paths"},
    "engine": {"atomic", "compilation", "graphs", "hashing", "messages", "native", "paths", "untrusted"},
    "migrate": {"atomic", "config", "messages", "outputs", "paths", "zoo"},
    "models": {"graphs", "ops"},
    "datasets": {"atomic", "data", "drawing", "outputs", "paths", "untrusted"},
    "detections": {"data", "drawing", "evaluation"},
    "exit_status": {"engine", "tolerant_output"},
    "onnx_export": {"models", "ops"},
    "report": {"atomic", "data", "drawing", "evaluation", "messages", "outputs", "paths", "untrusted"},
    "weights": {"atomic", "cache", "hashing", "messages", "models", "paths", "published", "untrusted"},
    "build": {"config", "data", "engine", "extensions", "messages", "models", "ops", "paths", "weights"},
    "cli": {"exit_status"},
    "launch": {"atomic", "cache", "engine", "exit_status", "outputs", "paths"},
    "tiling": {"data", "detections", "evaluation"},
    "__main__": {"cli"},
    "browse": {"atomic", "build", "config", "data", "drawing", "outputs", "paths"},
    "convert": {
        *("atomic", "build", "config", "engine", "exit_status", "messages"),
        *("models", "outputs", "paths", "published", "weights"),
    },
    "doctor": {"atomic", "build", "concurrency", "config", "data", "exit_status", "outputs"},
    "prediction_stream": {"concurrency", "data", "detections", "tiling"},
    "check": {
        *("atomic", "config", "data", "doctor", "engine"),
        *("exit_status", "messages", "outputs", "paths", "untrusted"),
    },
    "image_detector": {
        *("build", "compilation", "config", "data"),
        *("detections", "evaluation", "prediction_stream", "tiling"),
    },
    "obtain": {"atomic", "cache", "config", "convert", "paths", "published"},
    "exported": {"build", "config", "data", "image_detector", "messages", "paths", "untrusted"},
    "predictor": {"build", "config", "engine", "image_detector", "models", "test_time"},
    "opening": {"build", "config", "exported", "image_detector", "predictor"},
    "tasks": {
        *(
            "atomic",
            "build",
            "compilation",
            "concurrency",
            "config",
            "data",
            "detections",
            "drawing",
            "engine",
            "evaluation",
        ),
        *(
            "exit_status",
            "exported",
            "image_detector",
            "messages",
            "models",
            "native",
            "obtain",
            "onnx_export",
            "opening",
            "ops",
        ),
        *("outputs", "paths", "predictor", "published", "report", "tiling", "untrusted", "weights"),
    },
    "api": {"build", "engine", "exported", "image_detector", "obtain", "opening", "paths", "tasks"},
    "programs": {
        *("browse", "check", "config", "convert", "data", "datasets", "doctor"),
        *("drawing", "engine", "exit_status", "extensions", "launch", "migrate", "native"),
        *("opening", "outputs", "paths", "published", "tasks", "tiling", "zoo"),
    },
    "": {"api", "cpu_setup", "detections", "drawing", "image_detector", "tasks"},  # mindrcnn/__init__.py
}
DOCUMENT = REPOSITORY / "docs" / "architecture.md"
TOURS = {"One training step": 30, "One image": 22}  # heading in the document -> most files that a reader opens
FRAMEWORK_FREE = ("data", "config", "errors", "cpu_setup", "atomic")  # these must not import MindSpore

FRAMEWORK_EXCEPTIONS = ("data.formats.mindrecord.shard",)  # writes MindSpore's own file format, in a process of its own

# Modules whose results are their standard output.
PRINTING_PARTS: dict[str, str] = {
    "tasks.evaluation": "prints the COCO tables",
}

# Only the folders that a machine's owner would have; "/path/to/..." in an example is fine.
ABSOLUTE_PATH = re.compile(r"(?<![\w.}])/(?:home|root|tmp|Users|work|mnt|opt)/\w")
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".txt", ".cfg", ".cc", ".h", ""}


def top_part(name: str) -> str:
    """The part of a dotted name inside the package."""
    return name.split(".")[0]


@dataclass(frozen=True)
class Module:
    """One source file; `name` is its dotted path inside the package, empty for the package itself."""

    name: str
    text: str
    tree: ast.Module = field(init=False)
    is_package: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.text))

    @property
    def part(self) -> str:
        """Top-level part: `ops.boxes` is in ops."""
        return top_part(self.name)

    def where(self, node: ast.AST) -> str:
        return f"{self.name or '__init__'}:{getattr(node, 'lineno', 0)}"


@cache
def package_modules() -> list[Module]:
    root = REPOSITORY / "src" / PACKAGE
    modules = []
    for path in sorted(root.rglob("*.py")):
        parts = list(path.relative_to(root).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name=name, text=path.read_text(encoding="utf-8"), is_package=is_package))
    return modules


def programs() -> list[Module]:
    present = [REPOSITORY / name for name in PROGRAMS if (REPOSITORY / name).is_file()]
    return [Module(name=f"programs.{path.stem}", text=path.read_text(encoding="utf-8")) for path in present]


def imported_names(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module as an absolute dotted name, wherever in the file the import stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = [PACKAGE, *module.name.split(".")]
                up = node.level - (1 if module.is_package else 0)
                base = ".".join([*here[: len(here) - up], *([base] if base else [])])
            for alias in node.names:
                yield node, f"{base}.{alias.name}"


def imported_part(imported: str) -> str | None:
    """The part of the package that an imported name belongs to; None for anything outside it."""
    root, *rest = imported.split(".")
    if root != PACKAGE or not rest or rest[0].startswith("__"):
        return None
    return top_part(rest[0])


def wrong_imports(modules: list[Module]) -> list[str]:
    found = []
    for module in modules:
        allowed = {module.part, "errors", *ALLOWED.get(module.part, ())}
        for node, imported in imported_names(module):
            part = imported_part(imported)
            if part is not None and part not in allowed:
                found.append(f"{module.where(node)}: {module.part} imports {imported}")
    return found


def mutual_imports(modules: list[Module]) -> list[str]:
    """Pairs of parts that import each other."""
    imports = {
        (module.part, part): f"{module.where(node)}: {module.part} imports {imported}"
        for module in modules
        for node, imported in imported_names(module)
        if (part := imported_part(imported)) not in (None, module.part)
    }
    return [where for (part, other), where in imports.items() if (other, part) in imports and part < other]


def framework_imports(modules: list[Module]) -> list[str]:
    return [
        f"{module.where(node)}: {module.part} imports {imported}"
        for module in modules
        if module.part in FRAMEWORK_FREE and module.name not in FRAMEWORK_EXCEPTIONS
        for node, imported in imported_names(module)
        if imported.split(".")[0] == "mindspore"
    ]


def long_files(modules: list[Module]) -> list[str]:
    found = []
    for module in modules:
        lines = len(module.text.splitlines())
        if lines > MAX_FILE_LINES:
            found.append(f"{module.name}: {lines} lines, at most {MAX_FILE_LINES}")
    return found


def long_functions(modules: list[Module]) -> list[str]:
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    found.append(f"{module.where(node)}: {node.name} has {lines} lines, at most {MAX_FUNCTION_LINES}")
    return found


def bare_excepts(modules: list[Module]) -> list[str]:
    return [
        f"{module.where(node)}: except without a type"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]


def print_calls(module: Module) -> list[ast.AST]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.Name) and node.id == "print"]


def prints(modules: list[Module]) -> list[str]:
    return [
        f"{module.where(node)}: print"
        for module in modules
        if module.name not in PRINTING_PARTS
        for node in print_calls(module)
    ]


def stale_printing_parts(modules: list[Module]) -> list[str]:
    """Returns the entries of PRINTING_PARTS whose module is absent or no longer prints."""
    printing = {module.name for module in modules if print_calls(module)}
    return [f"PRINTING_PARTS: {name} does not print" for name in PRINTING_PARTS if name not in printing]


RULES: tuple[Callable[[list[Module]], list[str]], ...] = (
    wrong_imports,
    mutual_imports,
    framework_imports,
    long_files,
    long_functions,
    bare_excepts,
    prints,
)
RULES_FOR_PROGRAMS = (long_files, long_functions, bare_excepts)

BREACHES = [
    (wrong_imports, "ops.boxes", "from mindrcnn.models.fpn import FPN"),
    (wrong_imports, "ops.boxes", "def f():\n    import mindrcnn.models.fpn"),
    (wrong_imports, "ops.boxes", "from ..models import fpn"),
    (wrong_imports, "models.rpn", "from mindrcnn import build"),
    (wrong_imports, "models.rpn", "from mindrcnn.build.mask_branches import build_pooler"),
    (wrong_imports, "models.rpn", "from mindrcnn.config.run import RPNConfig"),
    (wrong_imports, "engine.trainer", "import mindrcnn.config.loader"),
    (wrong_imports, "data.loader", "from mindrcnn.models import rpn"),
    (wrong_imports, "evaluation.predict", "from mindrcnn.models import detector"),
    (wrong_imports, "build", "from mindrcnn.a_program import main"),
    (framework_imports, "data.loader", "import mindspore as ms"),
    (framework_imports, "data.loader", "def f():\n    from mindspore.dataset import vision"),
    (framework_imports, "data.formats.mindrecord.reader", "from mindspore.mindrecord import FileReader"),
    (long_files, "ops.boxes", "x = 1\n" * (MAX_FILE_LINES + 1)),
    (long_functions, "ops.boxes", "class A:\n    def f(self):\n" + "        x = 1\n" * MAX_FUNCTION_LINES),
    (bare_excepts, "ops.boxes", "try:\n    f()\nexcept:\n    pass"),
    (prints, "ops.boxes", "print('here')"),
]

NO_BREACHES = [
    (wrong_imports, "ops.boxes", "import numpy\nfrom mindrcnn.errors import InputError\nfrom .coder import encode"),
    (wrong_imports, "build", "from mindrcnn.config.run import Config\nfrom mindrcnn.models import rpn"),
    (wrong_imports, "config.loader", "from mindrcnn.config.run import Config"),
    (wrong_imports, "build.detector", "from mindrcnn.build.mask_branches import build_pooler"),
    (wrong_imports, "tasks.training", "from mindrcnn import build, config"),
    (framework_imports, "ops.boxes", "import mindspore"),
    (long_files, "ops.boxes", "x = 1\n" * MAX_FILE_LINES),
    (long_functions, "ops.boxes", "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)),
    (bare_excepts, "ops.boxes", "try:\n    f()\nexcept OSError:\n    pass"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package(rule: Callable[[list[Module]], list[str]]) -> None:
    modules = package_modules()
    assert {"errors", "ops", "models", "data", "evaluation", "engine"} <= {module.part for module in modules}
    assert rule(modules) == []


@pytest.mark.parametrize("rule", RULES_FOR_PROGRAMS, ids=lambda rule: rule.__name__)
def test_programs(rule: Callable[[list[Module]], list[str]]) -> None:
    assert rule(programs()) == []


@pytest.mark.parametrize(("rule", "name", "source"), BREACHES)
def test_a_breach_is_found(rule: Callable[[list[Module]], list[str]], name: str, source: str) -> None:
    assert len(rule([Module(name=name, text=source)])) == 1


@pytest.mark.parametrize(("rule", "name", "source"), NO_BREACHES)
def test_what_is_allowed_passes(rule: Callable[[list[Module]], list[str]], name: str, source: str) -> None:
    assert rule([Module(name=name, text=source)]) == []


def test_a_relative_import_in_a_package_file_is_resolved_from_that_package() -> None:
    inside = Module(name="ops", text="from .boxes import area", is_package=True)
    outside = Module(name="ops", text="from ..models import fpn", is_package=True)
    assert wrong_imports([inside]) == []
    assert len(wrong_imports([outside])) == 1


def test_every_printing_part_prints() -> None:
    assert stale_printing_parts(package_modules()) == []


def test_a_printing_part_that_no_longer_prints_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    printing = Module(name="tasks.evaluation", text="print('AP')")
    silent = Module(name="ops.boxes", text="x = 1")
    assert stale_printing_parts([printing]) == []
    monkeypatch.setitem(PRINTING_PARTS, "ops.boxes", "no longer prints")
    assert len(stale_printing_parts([printing, silent])) == 1


def test_parts_that_import_each_other_are_found() -> None:
    there = Module(name="convert.importer", text="from mindrcnn.programs import convert")
    back = Module(name="programs.convert", text="from mindrcnn.convert import importer")
    assert len(mutual_imports([there, back])) == 1
    assert mutual_imports([there]) == []


def section(heading: str) -> str:
    """The text below a heading of docs/architecture.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"# {heading}\n" in text, f"no heading {heading!r}"
    return re.split(r"\n#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1)[0]


def test_the_document_has_the_same_table() -> None:
    rows = re.findall(r"^\| (.+?) \| (.*?) \|$", section("Imports point one way"), re.MULTILINE)
    table = {
        part: set(re.findall(r"`(\w+)`", imported))
        for parts, imported in rows
        for part in re.findall(r"`(\w+)`", parts)
    }
    assert table == {part: imported for part, imported in ALLOWED.items() if part and part != "errors"}


@pytest.mark.parametrize("heading", TOURS)
def test_a_tour_is_short_and_leads_from_file_to_file(heading: str) -> None:
    files = re.findall(r"^\d+\. `([\w/]+\.py)`", section(heading), re.MULTILINE)
    assert 10 < len(files) <= TOURS[heading]
    assert len(set(files)) == len(files)
    modules = {module.name.replace(".", "/") + ".py": module for module in package_modules()}
    assert [name for name in files if name not in modules] == []
    joints = [name for name in modules if name.startswith("build/")]  # here parts meet that do not import each other
    importers = [modules[name] for name in (*files, *joints)]
    seen = {imported.removeprefix(f"{PACKAGE}.") for module in importers for _, imported in imported_names(module)}
    dotted = {name: name.removesuffix(".py").replace("/", ".") for name in files[1:]}
    unreached = [name for name, module in dotted.items() if not any(f"{one}.".startswith(f"{module}.") for one in seen)]
    assert unreached == []


def repository_texts() -> Iterator[tuple[str, str]]:
    """Path and text of every file that git tracks or would track, this one excepted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git working tree")
    for name in listed.stdout.split("\0"):
        path = REPOSITORY / name
        if name and path != Path(__file__) and path.suffix in TEXT_SUFFIXES and path.is_file():
            yield name, path.read_text(encoding="utf-8")


def test_no_paths_of_one_machine() -> None:
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}..."
        for name, text in repository_texts()
        for match in ABSOLUTE_PATH.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('open("/home/ann/data")', True),
        ("cd /tmp/x", True),
        ("a path: /path/to/coco", False),
        ("src/work/a.py", False),
        ("${root}/tmp/x", False),
        ("https://example.org/home/x", False),
    ],
)
def test_the_pattern_of_such_paths(text: str, found: bool) -> None:
    assert (ABSOLUTE_PATH.search(text) is not None) == found
