"""Histograms of the sizes and shapes of images and objects, as a picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mindrcnn.atomic import replacing
from mindrcnn.data.survey import Survey
from mindrcnn.outputs import MARK

FIGURE_INCHES = (12.0, 8.0)
FIGURE_DPI = 100
BINS = 50
SHOWN_CLASSES = 25
LONGEST_NAME = 24  # characters
LEAST_SPREAD = 1.5  # of a logarithmic axis, to either side


def draw_histograms(survey: Survey, picture: Path) -> None:
    """Writes a PNG of 1200 x 800 pixels. Raises InputError when it cannot be written."""
    figure = Figure(figsize=FIGURE_INCHES, dpi=FIGURE_DPI, layout="constrained")
    (image_sides, image_aspects, per_image), (object_sizes, object_aspects, classes) = figure.subplots(2, 3)
    sizes = survey.known_sizes.astype(float)
    boxes = survey.boxes[~survey.crowd].astype(float)
    sides = boxes[:, 2:] - boxes[:, :2]
    _sides(image_sides, sizes)
    _ratios(image_aspects, "Images: width / height", sizes[:, 1] / sizes[:, 0])
    image_aspects.set_ylabel("images")
    _counts(per_image, survey.slots_per_image)
    _on_log_axis(object_sizes, "Objects: square root of the box area", np.sqrt(sides.prod(axis=1)))
    object_sizes.set_xlabel("pixels of the image file")
    object_sizes.set_ylabel("objects")
    _ratios(object_aspects, "Objects: width / height", sides[:, 0] / sides[:, 1])
    object_aspects.set_ylabel("objects")
    _classes(classes, survey)
    for axes in figure.axes[:-1]:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    classes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with replacing(picture) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary), metadata={"Software": MARK})


def _classes(axes: Axes, survey: Survey) -> None:
    """Draws the most frequent classes by name, with the others as one bar."""
    order = np.argsort(-survey.per_class, kind="stable")
    shown, others = order[:SHOWN_CLASSES], order[SHOWN_CLASSES:]
    counts = [int(survey.per_class[place]) for place in shown]
    names = [_plain(survey.classes[place]) for place in shown]
    if len(others):
        counts.append(int(survey.per_class[others].sum()))
        names.append(f"{len(others)} others")
    axes.set_title("Objects of each class")
    axes.barh(np.arange(len(names)), counts)
    axes.set_yticks(np.arange(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("objects")


def _plain(name: str) -> str:
    """Returns a class name as matplotlib shows it as it is, cut to a line."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
    return short.replace("$", r"\$")


def _sides(axes: Axes, sizes: np.ndarray) -> None:
    axes.set_title("Images: width and height")
    axes.set_xlabel("pixels")
    axes.set_ylabel("images")
    if len(sizes):
        edges = np.linspace(0, sizes.max() * 1.01, BINS).tolist()
        axes.hist(sizes[:, 1], bins=edges, alpha=0.6, label="width")
        axes.hist(sizes[:, 0], bins=edges, alpha=0.6, label="height")
        axes.legend()


def _counts(axes: Axes, per_image: np.ndarray) -> None:
    axes.set_title("Objects per image")
    axes.set_xlabel("objects")
    axes.set_ylabel("images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(per_image):
        step = -(-(int(per_image.max()) + 1) // BINS)
        axes.hist(per_image, bins=(np.arange(0, per_image.max() + 1 + step, step) - 0.5).tolist())


def _ratios(axes: Axes, title: str, ratios: np.ndarray) -> None:
    _on_log_axis(axes, title, ratios)
    axes.axvline(1.0, color="black", linewidth=0.8)


def _on_log_axis(axes: Axes, title: str, values: np.ndarray) -> None:
    axes.set_title(title)
    axes.set_xscale("log")
    if len(values):
        low, high = float(values.min()), float(values.max())
        middle, spread = math.sqrt(low * high), max(math.sqrt(high / low), LEAST_SPREAD)  # of values that are all alike
        axes.hist(values, bins=np.geomspace(middle / spread * 0.99, middle * spread * 1.01, BINS).tolist())
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
