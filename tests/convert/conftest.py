"""State dicts of the reference implementations, rebuilt from their names and shapes."""

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

State = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def reference_state(golden: Path) -> Callable[[str], State]:
    """Case name -> the reference's state dict."""
    spec = importlib.util.spec_from_file_location("fill", golden / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)

    @cache
    def build(case: str) -> State:
        meta = json.loads((golden / f"{case}.json").read_text())
        return {
            name: fill.fill(name, shape, meta["gains"], meta["seed"]).reshape(shape)
            for name, shape in meta["shapes"].items()
        }

    return build
