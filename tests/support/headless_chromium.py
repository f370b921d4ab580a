"""Pages as a browser shows them, where there is Chromium: `apt-get install chromium`, or MINDRCNN_CHROMIUM names it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
SECONDS = 120


def chromium() -> str:
    """The program; skips the test where there is none."""
    given = os.environ.get("MINDRCNN_CHROMIUM")
    found = given or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set MINDRCNN_CHROMIUM to its path")
    return found


def rendered(address: str, profile: Path) -> str:
    """The page's content after its scripts have run; `profile` is a folder for what the browser writes."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [chromium(), *options, f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom", address]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
