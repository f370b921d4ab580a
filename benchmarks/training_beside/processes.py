"""Modules run in processes of their own."""

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def run_module(python: str, module: str, *words: str) -> None:
    """Runs a module with this repository's packages; raises CalledProcessError if it fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))}
    subprocess.run([python, "-m", module, *words], check=True, env=environment)


def start(python: str, module: str, *words: str) -> None:
    """Runs a module of this folder."""
    run_module(python, f"benchmarks.training_beside.{module}", *words)
