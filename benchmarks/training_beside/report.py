"""The table and the picture of the pieces that are done."""

import statistics
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.training_beside.piece import LOSSES, MINDRCNN, SIDES, TORCHVISION, Result, Run, read_result

TABLE, PICTURE = "table.md", "curves.png"
NAMES = {MINDRCNN: "MindRCNN", TORCHVISION: "torchvision"}
COLOURS = {MINDRCNN: "tab:blue", TORCHVISION: "tab:orange"}
SHOWN = ("bbox_AP", "bbox_AP50", "segm_AP", "segm_AP50")
SMOOTHING = 15  # steps whose mean is drawn


def write_report(runs: Sequence[Run], folder: Path) -> str:
    """Writes the table and the picture; returns the table."""
    done = {run: {side: read_result(run.side(side)) for side in SIDES if run.is_done(side)} for run in runs}
    done = {run: sides for run, sides in done.items() if sides}
    text = "\n".join([*table_lines(done), "", *version_lines(done)]) + "\n"
    (folder / TABLE).write_text(text, encoding="utf-8")
    if done:
        draw_curves(done, folder / PICTURE)
    return text


def group_name(run: Run) -> tuple[str, str]:
    """Returns the data set and model of a run."""
    return run.data, run.model


def table_lines(done: dict[Run, dict[str, Result]]) -> list[str]:
    """Returns a Markdown table: for each side mean and range of the metrics over the seeds, and the mean time."""
    lines = ["| Data | Model | Side | Seeds | Box AP | AP50 | Mask AP | AP50 | Training |", "|" + "---|" * 9]
    for (data, model), group in groupby(done, key=group_name):
        members = list(group)
        for side in SIDES:
            results = [done[run][side] for run in members if side in done[run]]
            if results:
                cells = [metric_cell(results, name) for name in SHOWN]
                cells.append(f"{statistics.mean(result.seconds for result in results):.0f} s")
                lines.append(f"| {data} | `{model}` | {NAMES[side]} | {len(results)} | {' | '.join(cells)} |")
    return lines


def version_lines(done: dict[Run, dict[str, Result]]) -> list[str]:
    """Returns a Markdown list of the versions and the device of each side."""
    found = sorted({(side, result.versions) for sides in done.values() for side, result in sides.items()})
    return [f"* {NAMES[side]}: {versions}" for side, versions in found]


def metric_cell(results: Sequence[Result], name: str) -> str:
    """Returns mean and range of a metric over the seeds; empty for a model without it."""
    values = [result.metrics[name] for result in results if name in result.metrics]
    if not values:
        return ""
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def draw_curves(done: dict[Run, dict[str, Result]], path: Path) -> None:
    """Draws the losses of all seeds, a row for each data set and model, a column for each loss."""
    groups = [(name, list(members)) for name, members in groupby(done, key=group_name)]
    figure, panels = plt.subplots(
        len(groups), len(LOSSES), figsize=(2.6 * len(LOSSES), 2.0 * len(groups) + 0.5), squeeze=False, sharex=True,
        layout="constrained",
    )  # fmt: skip
    for row, ((data, model), members) in zip(panels, groups, strict=True):
        row[0].set_ylabel(f"{data}\n{model}", fontsize=8)
        for panel, loss in zip(row, LOSSES, strict=True):
            panel.set_title(loss, fontsize=8)
            panel.tick_params(labelsize=7)
            for side in SIDES:
                curves = [done[run][side].losses.get(loss) for run in members if side in done[run]]
                draw_side(panel, [smooth(curve) for curve in curves if curve], side)
    handles = [plt.Line2D([], [], color=COLOURS[side], label=NAMES[side]) for side in SIDES]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_side(panel: Axes, curves: Sequence[NDArray[np.float64]], side: str) -> None:
    """Draws the mean over the seeds, and their range as a band."""
    if not curves:
        return
    together = np.stack(curves)
    steps = np.arange(together.shape[1]) + SMOOTHING
    panel.fill_between(steps, together.min(axis=0), together.max(axis=0), color=COLOURS[side], alpha=0.2, linewidth=0)
    panel.plot(steps, together.mean(axis=0), color=COLOURS[side], linewidth=1)
    panel.set_ylim(bottom=0)


def smooth(curve: Sequence[float]) -> NDArray[np.float64]:
    """Returns the means over SMOOTHING steps."""
    window = min(SMOOTHING, len(curve))
    return np.convolve(curve, np.full(window, 1 / window), mode="valid")
