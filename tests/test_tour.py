"""docs/tour.ipynb: it runs from the beginning to the end, and what is stored in it may be shown to anyone."""

import re
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = re.compile(r"/(?:home|root|tmp|Users|work|mnt|opt|usr|var)/\w")


@pytest.fixture
def tour() -> Any:
    return nbformat.read(REPOSITORY / "docs" / "tour.ipynb", as_version=4)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_it_is_stored_executed_with_pictures_and_without_paths(tour: Any) -> None:
    code = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {kind for output in outputs(tour) for kind in output.get("data", {})}
    assert "image/png" in kinds
    assert not [output for output in outputs(tour) if output.output_type == "error"]
    texts = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs(tour)]
    assert [text for text in texts if FOLDERS.search(text)] == []


@pytest.mark.slow
def test_it_runs(tour: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUR_STEPS", "4")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"), prepend=":")
    client = nbclient.NotebookClient(
        tour, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    assert (tmp_path / "runs" / "tour" / "best.ckpt").is_file()
    assert any("image/png" in output.get("data", {}) for output in outputs(tour))
