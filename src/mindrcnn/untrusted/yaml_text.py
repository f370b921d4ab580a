"""YAML text as plain values, in which every mistake is an InputError."""

from __future__ import annotations

from typing import Any

import yaml

from mindrcnn.errors import InputError
from mindrcnn.untrusted.yaml_composer import compose


def parse_yaml_value(text: str, source: object) -> Any:
    """Returns the value of a YAML text, None if it is empty; scalars follow the core schema of YAML 1.2.

    Raises InputError, which names `source`, for other text and beyond the limits of `compose`.
    """
    try:
        node = compose(text)
        return None if node is None else yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{source}{line}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:  # int() refuses texts of too many digits
        raise InputError(f"{source}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise InputError(f"{source}: wanted YAML of limited depth, got nesting without end") from error
