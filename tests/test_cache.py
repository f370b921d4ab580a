"""The rule for the user's cache folder."""

from pathlib import Path

import pytest

from mindrcnn.cache import cache_folder
from mindrcnn.errors import InputError


@pytest.mark.parametrize(
    ("own", "base", "expected"),
    [
        ("/own", "/base", "/own/weights"),
        ("/own", "", "/own/weights"),
        ("", "/base", "/base/mindrcnn/weights"),
        ("", "", "/home/.cache/mindrcnn/weights"),
    ],
)
def test_the_packages_variable_comes_first(monkeypatch: pytest.MonkeyPatch, own: str, base: str, expected: str) -> None:
    monkeypatch.setenv("MINDRCNN_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.setenv("HOME", "/home")
    assert cache_folder("weights") == Path(expected)


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("could not determine the home folder")

    monkeypatch.delenv("MINDRCNN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InputError, match="wanted MINDRCNN_CACHE or a home folder"):
        cache_folder("native")
