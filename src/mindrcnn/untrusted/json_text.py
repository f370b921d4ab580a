"""JSON text in which every mistake is an InputError."""

from __future__ import annotations

import json
import sys
from typing import Any

from mindrcnn.errors import InputError


def parse_json(text: str | bytes, source: object) -> Any:
    """Returns the value of a JSON text; bytes are read as UTF-8, with or without a byte order mark.

    Raises InputError, which names `source`, for other text, for nesting beyond Python's stack, and for whole numbers of
    more digits than Python converts.
    """
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: wanted JSON text in UTF-8, got other bytes at offset {error.start}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{source}: wanted JSON, got an error at line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{source}: wanted JSON of a few levels, got lists or objects nested without end") from error
    except ValueError as error:  # int() refuses longer ones, because it takes quadratic time
        digits = sys.get_int_max_str_digits()
        raise InputError(f"{source}: wanted JSON with numbers of at most {digits} digits, got a longer one") from error
