import io
import json

import pytest

from mindrcnn.data.formats.coco import json_stream
from mindrcnn.data.formats.coco.json_stream import JsonStream

TEXT = json.dumps(
    {
        "info": {"名": "ü", "list": [1, 2]},
        "numbers": [1, 23, -4.5e2, 678],
        "none": [],
        "rows": [{"a": [1.5, 2], "t": 'q"},[ü'}, {"b": None}, "text", []],
        "last": 12345,
    },
    ensure_ascii=False,
    indent=1,
)


def members(text):
    """Key -> value, or key -> (value, its bytes) of each element."""
    content = text.encode()
    found = {}
    for member in JsonStream(io.BytesIO(content)).members():
        if member.elements is None:
            found[member.key] = member.value
        else:
            found[member.key] = [(one.value, content[one.start : one.start + one.length]) for one in member.elements]
    return found


@pytest.mark.parametrize("window", [1, 2, 7, 50, 1 << 20])
def test_every_window_gives_what_json_gives(window, monkeypatch):
    monkeypatch.setattr(json_stream, "WINDOW", window)
    expected = json.loads(TEXT)
    found = members(TEXT)
    assert list(found) == list(expected)
    for key, value in expected.items():
        if isinstance(value, list):
            assert [one for one, _ in found[key]] == value
            assert [json.loads(text) for _, text in found[key]] == value
        else:
            assert found[key] == value


def test_elements_that_nobody_asks_for_are_passed_over():
    assert [member.key for member in JsonStream(io.BytesIO(TEXT.encode())).members()] == list(json.loads(TEXT))


BROKEN = """{ ; {}x ; {"a"} ; {"a": [1 2]} ; {"a": [1,]} ; {"a": 1,} ; {"a": [1 ; {"a": nope} ; {1: 2} ; {"a": NaN} ;
    {"a": [1} ; {"a" [1]} ; {"a": "x"""


@pytest.mark.parametrize("text", BROKEN.split(" ; "))
@pytest.mark.parametrize("window", [1, 100])
def test_what_is_no_json_is_an_error(text, window, monkeypatch):
    monkeypatch.setattr(json_stream, "WINDOW", window)
    with pytest.raises(ValueError, match=r"byte|no JSON number"):
        members(text)


def test_the_place_of_an_error_counts_bytes(monkeypatch):
    monkeypatch.setattr(json_stream, "WINDOW", 3)
    with pytest.raises(ValueError, match="at byte 12"):
        members('{"ü": "ü",]')
