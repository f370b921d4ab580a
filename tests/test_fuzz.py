"""The program that gives altered files to every reader and program."""

import ctypes

import pytest
from fuzz import sandbox
from fuzz.__main__ import main
from fuzz.sandbox import outcomes

from mindrcnn.errors import InputError


def fail() -> None:
    raise InputError("x")


def crash() -> None:
    ctypes.string_at(0)


def spin() -> None:
    while True:
        pass


def test_how_a_case_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 3)
    cases = [dict, fail, crash, spin, lambda: len(b"1" * (600 << 20)), lambda: 1 / 0, dict]
    found = list(outcomes(cases))
    assert found[:4] == ["success", "InputError", "SIGSEGV", "more than 3 s"]
    assert found[4].endswith("MB, then success")
    assert "ZeroDivisionError" in found[5]
    assert found[6] == "success"


def test_two_thousand_altered_files(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--mutations", "2000"])
    assert status == 0, capsys.readouterr().out
