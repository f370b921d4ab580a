"""The model zoo's configuration files: `config.py`, parsed and never run, and YAML; and those of maskrcnn-benchmark."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.config.yaml_tree import Node, parse_yaml
from mindrcnn.errors import InputError
from mindrcnn.migrate.literals import evaluate, evaluate_text, is_dict_call
from mindrcnn.migrate.recipe import BENCHMARK

MAX_CHARACTERS = 1_000_000  # the zoo's largest has 7,000
_DOCUMENT = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)


@dataclass(frozen=True)
class ZooFile:
    """A configuration of the zoo.

    values: by dotted key, in the order of the file.
    notes: the second document's descriptions by key.
    choices: the third document's allowed values by key.
    statements: lines of a Python file that set no key that can be read.
    """

    path: Path
    values: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)


def read_zoo_file(path: Path) -> ZooFile:
    """Reads a file by its ending, .py or YAML. Raises InputError if it cannot be read or holds no configuration."""
    text = _read_text(path)
    file = _python_file(text, path) if path.suffix == ".py" else _yaml_file(text, path)
    if not file.values:
        raise InputError(f"{path}: wanted keys and values, got nothing")
    if BENCHMARK not in file.values and any(name.partition(".")[0] in ("MODEL", "SOLVER") for name in file.values):
        raise InputError(
            f"{path}: wanted a configuration of the model zoo, or one of maskrcnn-benchmark with {BENCHMARK}, got one "
            "like detectron2's; configs/ has its recipes, and `mindrcnn models detectron2` its trained models"
        )
    return file


def _read_text(path: Path) -> str:
    try:
        with (
            paths.open_file(path, "configuration file") as file,
            io.TextIOWrapper(file, encoding="utf-8-sig") as reader,
        ):
            text = reader.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: wanted UTF-8 text, got other bytes at offset {error.start}") from error
    except OSError as error:
        raise paths.refusal(path, error) from error
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{path}: wanted up to {MAX_CHARACTERS} characters, got more")
    return text


def _python_file(text: str, path: Path) -> ZooFile:
    """Reads every `NAME = ed({...})`, `NAME.key = ...` and plain `key = ...`; other statements are listed, not run."""
    values: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    statements: list[str] = []
    try:
        for node in ast.parse(text).body:
            target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
                continue
            if not isinstance(node, ast.Assign) or target is None:
                statements.append(f"line {node.lineno}: {ast.unparse(node).splitlines()[0]}")
            elif isinstance(target, ast.Name) and is_dict_call(node.value):
                values |= evaluate(node.value)
            elif isinstance(target, ast.Name):
                plain[target.id] = evaluate(node.value)
            elif name := _entry(target):
                values[name] = evaluate(node.value)
            else:
                statements.append(f"line {node.lineno}: {ast.unparse(node).splitlines()[0]}")
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno or 1}: not valid Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: wanted a dict of literals, got {error or 'nesting without end'}") from error
    return ZooFile(path=path, values=dict(_flat(plain | values)), statements=statements)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _entry(target: ast.expr) -> str:
    """Returns the key of `config.key` or `config["key"]`, nothing for other targets."""
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        return target.attr
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        return target.slice.value if isinstance(target.slice.value, str) else ""
    return ""


def _yaml_file(text: str, path: Path) -> ZooFile:
    documents = list(_documents(text, path))
    if len(documents) > 3:
        raise InputError(f"{path}: wanted up to 3 YAML documents (values, descriptions, choices), got {len(documents)}")
    values, notes, choices = [*documents, {}, {}, {}][:3]
    return ZooFile(path=path, values=dict(_flat(values)), notes=notes, choices=choices)


def _documents(text: str, path: Path) -> Iterator[dict[str, Any]]:
    """Yields the content of each YAML document that is not empty."""
    starts = [match.start() for match in _DOCUMENT.finditer(text)]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        body = _DOCUMENT.sub("", text[start:end], count=1) if start in starts else text[start:end]
        if not re.search(r"^\s*[^#\s]", body, re.MULTILINE):
            continue
        tree = parse_yaml("\n" * text.count("\n", 0, start) + body, str(path))
        if not isinstance(tree.value, dict):
            raise InputError(f"{tree.origin}: wanted keys and values, got other YAML")
        yield _plain(tree)


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {name: _plain(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return evaluate_text(node.value) if isinstance(node.value, str) else node.value


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
