"""The program itself on one cheap case, and the inputs that both sides share."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.__main__ import main
from benchmarks.scene import bitmaps, disc, make_scene

REPOSITORY = Path(__file__).resolve().parents[2]


def test_one_case_from_the_command_line_to_the_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "kernel/paste", "--repetitions", "2"]
    out = tmp_path / "results.json"
    done = subprocess.run([*command, "--out", str(out)], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[1/1 0:00] kernel/paste/100x28x28: turn 2 of 2" in done.stderr
    (case,) = json.loads(out.read_text())["cases"]
    assert len(case["sides"]["mindrcnn"]["seconds"]["total"]) == 2
    assert case["sides"]["mindrcnn"]["peak_memory"] > 2**20
    # Measured again; the results of another case are kept.
    other = {**case, "case": {**case["case"], "name": "kernel/nms/4000"}}
    content = json.loads(out.read_text())
    out.write_text(json.dumps({**content, "cases": [case, other]}))
    command[-1] = "3"
    done = subprocess.run([*command, "--from", str(out), "--out", str(out)], cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr
    turns = {found["case"]["name"]: found["sides"]["mindrcnn"] for found in json.loads(out.read_text())["cases"]}
    assert {name: len(side["seconds"]["total"]) for name, side in turns.items()} == {
        "kernel/nms/4000": 2,
        "kernel/paste/100x28x28": 3,
    }


def test_unknown_names_end_with_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "no such case", "--out", str(tmp_path / "x.json")]) == 2
    assert "--list" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--only", "kernel", "--write-docs"])


def test_objects_lie_inside_the_image_and_their_masks_inside_their_boxes() -> None:
    scene = make_scene(batch=2, height=64, width=128, objects=4)
    assert scene.images.shape == (2, 3, 64, 128)
    assert (scene.boxes >= 0).all()
    assert (scene.boxes <= (128, 64, 128, 64)).all()
    masks = bitmaps(scene.boxes[0], height=64, width=128)
    for mask, (left, top, right, bottom) in zip(masks, scene.boxes[0], strict=True):
        rows, columns = np.nonzero(mask)
        assert left - 1 <= columns.min() <= left + 2
        assert right - 2 <= columns.max() + 1 <= right + 1
        assert top - 1 <= rows.min()
        assert rows.max() + 1 <= bottom + 1


def test_both_forms_of_a_mask_cover_the_same_share_of_the_box() -> None:
    box = np.array([[16, 16, 80, 80]], np.float32)
    assert bitmaps(box, height=96, width=96).mean() * 96 * 96 / 64**2 == pytest.approx(disc(112).mean(), abs=0.01)
