"""Every program also runs as a module of its own: `python -m mindrcnn.programs.NAME`."""

import runpy
import sys
from pathlib import Path

import pytest

import mindrcnn.programs

FOLDER = Path(mindrcnn.programs.__file__).parent
NAMES = sorted(file.stem for file in FOLDER.glob("*.py") if "def main(" in file.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, f"mindrcnn.programs.{name}", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"mindrcnn.programs.{name}", run_name="__main__")
    assert ended.value.code == 0
    assert "usage: mindrcnn" in capsys.readouterr().out
