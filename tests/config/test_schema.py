"""Sections that come in several types, one inside another: more than the schema has so far."""

import dataclasses
from typing import Literal

import pytest

from mindrcnn.config import loader as config_loader
from mindrcnn.config.loader import parse_config
from mindrcnn.config.schema import all_keys, describe_type, sections_of
from mindrcnn.errors import InputError


def error_of(text: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_config(text, "x.yaml", overrides)
    return str(caught.value)


@dataclasses.dataclass(frozen=True)
class Inner:
    type: Literal["inner"] = dataclasses.field(default="inner")
    width: int = dataclasses.field(default=3)


@dataclasses.dataclass(frozen=True)
class Outer:
    """Refuses zero points without saying which key is wrong."""

    wrapped: Inner | None
    type: Literal["outer"] = dataclasses.field(default="outer")
    points: int = dataclasses.field(default=5)

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("no points")


@dataclasses.dataclass(frozen=True)
class TwoHeads:
    head: Inner | Outer = dataclasses.field(default_factory=lambda: Inner(width=7))


@pytest.fixture(autouse=True)
def schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_loader, "Config", TwoHeads)


def test_each_type_gets_its_class() -> None:
    outer = Outer(wrapped=Inner(width=4), points=2)
    text = "head: {type: outer, wrapped: {type: inner, width: 4}, points: 2}"
    assert vars(parse_config(text, "x.yaml"))["head"] == outer
    assert vars(parse_config("head: {type: inner}", "x.yaml"))["head"] == Inner(width=7)
    assert vars(parse_config("head: {type: outer, wrapped: null}", "x.yaml"))["head"] == Outer(wrapped=None)


def test_keys_belong_to_their_type() -> None:
    message = "x.yaml, line 1: unknown key head.points, nearest valid key: head."
    assert error_of("head: {type: inner, points: 2}").startswith(message)


def test_unknown_type_names_the_known() -> None:
    message = "x.yaml, line 1: head.type: wanted one of inner, outer, got 'iner' (string)"
    assert error_of("head: {type: iner}") == message


def test_null_only_where_the_union_has_it() -> None:
    message = "x.yaml, line 1: head: wanted mapping with type: inner or outer, got null"
    assert error_of("head: null") == message


def test_key_without_default() -> None:
    message = "x.yaml, line 1: head.wrapped: wanted null or mapping with type: inner, got no such key"
    assert error_of("head: {type: outer}") == message


def test_refusal_without_a_key_names_the_file() -> None:
    text = "head: {type: outer, wrapped: null, points: 0}"
    assert error_of(text) == error_of(text, "head.points=0") == "x.yaml: no points"


def test_other_type_on_the_command_line_replaces() -> None:
    text = "head: {type: outer, wrapped: null}"
    config = parse_config(text, "x.yaml", ["head.width=9", "head.type=inner"])
    assert vars(config)["head"] == Inner(width=9)


def test_keys_of_every_member_are_listed() -> None:
    head = [f"head.{name}" for name in ("type", "width", "wrapped", "type", "points")]
    wrapped = ["head.wrapped.type", "head.wrapped.width"]
    assert [name for name, _ in all_keys(TwoHeads)] == ["head", *head, *wrapped]
    assert sections_of(Inner | Outer | None) == (Inner, Outer)
    assert sections_of(tuple[int, ...]) == ()


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (bool, "true or false"),
        (tuple[int, ...], "list of whole numbers"),
        (tuple[float, float], "list of 2 numbers"),
        (tuple[tuple[str, str, str], ...], "list of lists of 3 strings"),
        (Literal["a", 2], "one of a, 2"),
        (Inner, "mapping"),
        (Inner | Outer, "mapping with type: inner or outer"),
        (Inner | None, "null or mapping with type: inner"),
    ],
)
def test_types_in_words(hint: object, words: str) -> None:
    assert describe_type(hint) == words
