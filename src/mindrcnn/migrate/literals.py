"""Values of Python expressions without running them: literals, tuples, lists, dicts, and arithmetic of numbers."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_BITS = 1024  # of whole numbers that are computed
_DICTS = ("dict", "ed", "edict", "EasyDict")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
# What the zoo's own reader would evaluate of a YAML text: (28, 28), [8], dict(...), 1/3.0, 1e-4.
_EXPRESSION = re.compile(r"\s*(?:[(\[{]|dict\(|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*(?:[*/]|\Z))")


@dataclass(frozen=True)
class Expression:
    """The text of an expression that is no literal."""

    text: str


def is_dict_call(node: ast.expr) -> bool:
    """Says whether a node is `ed({...})`, `edict(...)`, `EasyDict(...)`, `dict(...)` or a dict display."""
    if isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in _DICTS
    return isinstance(node, ast.Dict)


def evaluate(node: ast.expr) -> Any:
    """Returns the value of a node, an Expression for what is no literal; inside a dict each entry by itself.

    Raises ValueError for a dict with keys that are no strings or entries that cannot be told.
    """
    if is_dict_call(node):
        return _dict(node)
    try:
        return _value(node)
    except (ValueError, TypeError, ArithmeticError):
        return Expression(ast.unparse(node))


def evaluate_text(text: str) -> Any:
    """Returns the value of a YAML string that is written as a Python literal; any other text as it is."""
    if not _EXPRESSION.match(text):
        return text
    try:
        value = evaluate(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    return text if isinstance(value, Expression) else value


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        result = _OPERATORS[type(node.op)](_number(node.left), _number(node.right))
        if isinstance(result, int) and result.bit_length() > _BITS:
            raise ValueError("a number without limit")
        return result
    if is_dict_call(node):
        return _dict(node)
    raise ValueError("no literal")


def _number(node: ast.expr) -> Any:
    value = _value(node)
    if type(value) not in (int, float):
        raise ValueError("no number")
    return value


def _dict(node: ast.expr) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    if isinstance(node, ast.Call):
        if len(node.args) > 1 or not all(is_dict_call(argument) for argument in node.args):
            raise ValueError("no dict display")
        for argument in node.args:
            entries |= _dict(argument)
        pairs: list[tuple[Any, ast.expr]] = [(item.arg, item.value) for item in node.keywords]
    else:
        assert isinstance(node, ast.Dict)
        pairs = [
            (key.value if isinstance(key, ast.Constant) else None, item)
            for key, item in zip(node.keys, node.values, strict=True)
        ]
    for name, item in pairs:
        if not isinstance(name, str):
            raise ValueError("a key that is no string")
        entries[name] = evaluate(item)
    return entries
