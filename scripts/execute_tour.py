"""Runs docs/tour.ipynb from the beginning, in a temporary folder, and stores its outputs in it.

python scripts/execute_tour.py            # needs requirements-dev.txt; a few minutes on two free cores
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

REPOSITORY = Path(__file__).resolve().parents[1]
TOUR = REPOSITORY / "docs" / "tour.ipynb"


def main() -> int:
    """Returns the exit status."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY / "src"), os.environ.get("PYTHONPATH")]))
    tour = nbformat.read(TOUR, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            tour, timeout=3600, kernel_name="python3", resources={"metadata": {"path": folder}}, record_timing=False
        )
        client.execute()
    nbformat.write(tour, TOUR)
    return 0


if __name__ == "__main__":
    sys.exit(main())
