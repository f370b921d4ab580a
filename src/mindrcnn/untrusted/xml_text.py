"""XML text as a tree of elements, without document types, and so without entities of any kind."""

from __future__ import annotations

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mindrcnn.errors import InputError

MAX_BYTES = 64 << 20
MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 50


class _Handlers:
    """The handlers of one parse: they build the tree and count."""

    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self._elements = 0
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise ValueError(f"wanted up to {MAX_ELEMENTS} elements in up to {MAX_DEPTH} levels, got more")
        self.builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self.builder.end(tag)

    def refuse(self, *_: object) -> NoReturn:
        raise ValueError("wanted XML without a document type, got a DOCTYPE")


def parse_xml(content: bytes, source: object) -> Element:
    """Returns the root element. Raises InputError, which names `source`, for other text, a DOCTYPE and a huge tree."""
    if len(content) > MAX_BYTES:
        raise InputError(f"{source}: wanted XML of up to {MAX_BYTES} bytes, got {len(content)}")
    parser, handlers = expat.ParserCreate(), _Handlers()
    parser.StartDoctypeDeclHandler = handlers.refuse
    parser.EntityDeclHandler = handlers.refuse
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.builder.data
    try:
        parser.Parse(content, True)
        return handlers.builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:  # LookupError: an encoding that does not exist
        raise InputError(f"{source}: wanted XML: {error}") from error
