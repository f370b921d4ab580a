"""The page: one HTML file with its style, program and data, which loads nothing from a network.

The data is JSON in the page, and the program (assets/*.js) makes all elements from it through text nodes. So
whatever class and file names contain, they stay text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from mindrcnn import paths
from mindrcnn.outputs import MARK

SCRIPTS = ("dom.js", "charts.js", "questions.js", "gallery.js", "comparison.js", "main.js")
# In a name from another encoding, half of a pair of code units: there is no UTF-8 for it.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def render_page(document: Mapping[str, Any]) -> str:
    """Returns the page of a report document (document.py)."""
    script = "\n".join(_asset(name) for name in SCRIPTS)
    title = f"{document['runs'][0]}: evaluation report"
    return Template(_asset("page.html")).substitute(
        mark=MARK,
        title=LONE_SURROGATE.sub("\ufffd", html.escape(title)),
        style=_asset("page.css"),
        data=embedded_json(document),
        script=f'(() => {{\n"use strict";\n{script}}})();',
    )


def embedded_json(value: Any) -> str:
    """Returns JSON that cannot end the element it stands in, in ASCII."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return paths.read_text(Path(__file__).parent / "assets" / name)
