"""curves.png: losses, learning rate, gradient norm, speed and AP of a run, over its steps; and its rates alone."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mindrcnn.atomic import replacing
from mindrcnn.engine.tracking.metrics_log import read_rows

FIGURE_INCHES = (9.0, 13.0)
# Of the figure. matplotlib's own search for a layout takes as long as all the drawing.
MARGINS = {"left": 0.08, "right": 0.82, "top": 0.97, "bottom": 0.045, "hspace": 0.28}
RATES_INCHES = (9.0, 4.0)
FIGURE_DPI = 100
# Metrics are named TYPE_NUMBER, for example bbox_AP50. Only these endings are drawn, with these line widths: all twelve
# of COCO's numbers would make the panel unreadable.
_METRIC_WIDTHS = {"AP": 2.0, "AP50": 1.0, "AP75": 1.0}


def draw_curves(metrics_file: Path, picture: Path) -> None:
    """Draws the rows of metrics.jsonl into a PNG of 900 x 1300 pixels; a panel without rows says so.

    Raises InputError when the picture cannot be written.
    """
    rows = read_rows(metrics_file)
    train = [row for row in rows if row["kind"] == "train"]
    evaluated = [row for row in rows if row["kind"] == "eval"]
    figure = Figure(figsize=FIGURE_INCHES, dpi=FIGURE_DPI)
    losses, rate, norm, speed, precision = figure.subplots(
        5, 1, height_ratios=(3, 1, 1, 1, 2), sharex=True, gridspec_kw=MARGINS
    )
    _draw_losses(losses, train)
    _draw_one(rate, "Learning rate", train, "lr")
    _draw_one(norm, "Gradient norm", train, "grad_norm")
    _draw_one(speed, "Images per second", train, "images_per_s")
    _draw_precision(precision, evaluated)
    with replacing(picture) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def draw_learning_rates(rates: NDArray[np.float32], steps_per_epoch: int, picture: Path) -> None:
    """Draws the learning rate of every step (total_steps,) into a PNG of 900 x 400 pixels."""
    figure = Figure(figsize=RATES_INCHES, dpi=FIGURE_DPI, layout="constrained")
    axes = figure.subplots()
    _decorate(axes, "Learning rate", rates.tolist())
    axes.plot(np.arange(1, len(rates) + 1), rates, color="black")
    axes.set_xlabel("step")
    axes.set_ylim(bottom=0)
    per_step = np.float64(1 / steps_per_epoch)
    epochs = axes.secondary_xaxis("top", functions=(partial(np.multiply, per_step), partial(np.multiply, 1 / per_step)))
    epochs.set_xlabel("epoch")
    with replacing(picture) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def _draw_losses(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    _decorate(axes, "Training loss", rows)
    steps = [row["step"] for row in rows]
    axes.plot(steps, _column([row["total"] for row in rows]), color="black", linewidth=2, label="total")
    for name in rows[-1]["losses"] if rows else ():
        axes.plot(steps, _column([row["losses"].get(name) for row in rows]), label=name)
    axes.set_ylim(bottom=0)
    _legend(axes, rows)


def _draw_one(axes: Axes, title: str, rows: Sequence[dict[str, Any]], column: str) -> None:
    _decorate(axes, title, rows)
    axes.plot([row["step"] for row in rows], _column([row.get(column) for row in rows]), color="tab:gray")
    axes.set_ylim(bottom=0)


def _draw_precision(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    _decorate(axes, "Validation", rows)
    axes.set_xlabel("step")
    axes.set_ylim(0, 1)
    steps = [row["step"] for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    for name in names:
        width = _METRIC_WIDTHS.get(name.rsplit("_", 1)[-1])
        if width is not None:
            values = _column([row["metrics"].get(name) for row in rows])
            axes.plot(steps, values, marker="o", markersize=4, linewidth=width, label=name)
    _legend(axes, rows)


def _column(values: Sequence[float | None]) -> list[float]:
    """Replaces missing numbers by NaN, which matplotlib draws as a gap."""
    return [float("nan") if value is None else value for value in values]


def _decorate(axes: Axes, title: str, rows: Sequence[object]) -> None:
    axes.set_title(title, loc="left", fontweight="bold")
    axes.grid(alpha=0.3)
    if not rows:
        axes.text(0.5, 0.5, "nothing yet", transform=axes.transAxes, ha="center", va="center", color="gray")


def _legend(axes: Axes, rows: Sequence[object]) -> None:
    if rows:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
