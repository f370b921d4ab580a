"""curves.png."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from mindrcnn.engine.tracking.curves import FIGURE_DPI, FIGURE_INCHES, draw_curves
from mindrcnn.engine.tracking.metrics_log import MetricsLog


def png_size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", header[16:24])
    return width, height


def write_rows(path: Path) -> None:
    log = MetricsLog(path)
    for step in range(20, 1201, 20):
        losses = {name: scale * 30 / (step + 30) for name, scale in (("rpn_class", 0.7), ("box", 1.2), ("mask", 0.8))}
        losses["box"] = losses["box"] if step != 600 else float("nan")
        log.write("train", step=step, epoch=step / 400, losses=losses, total=sum(losses.values()), lr=0.02)
        if step % 400 == 0:
            log.write("eval", step=step, epoch=step // 400, metrics={"bbox_AP": step / 3000, "segm_AP50": step / 2000})


@pytest.mark.parametrize("rows", [True, False])
def test_size_and_that_rows_show(tmp_path: Path, rows: bool) -> None:
    metrics, picture = tmp_path / "metrics.jsonl", tmp_path / "curves.png"
    if rows:
        write_rows(metrics)
    draw_curves(metrics, picture)
    assert png_size(picture) == tuple(round(inches * FIGURE_DPI) for inches in FIGURE_INCHES)
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png"} | ({"metrics.jsonl"} if rows else set())
    pixels = cv2.imread(str(picture)).astype(np.int32)
    coloured = pixels.max(axis=2) - pixels.min(axis=2) > 60
    losses, metrics_panel = coloured[: len(coloured) // 3], coloured[len(coloured) * 2 // 3 :]
    assert bool(losses.sum() > 300) is rows
    assert bool(metrics_panel.sum() > 300) is rows
