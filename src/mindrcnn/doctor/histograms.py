"""Histograms of the sizes and shapes of images and objects, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mindrcnn.atomic import replacing
from mindrcnn.data.survey import Survey
from mindrcnn.outputs import MARK

FIGURE_INCHES = (12.0, 8.0)
FIGURE_DPI = 100
BINS = 50


def draw_histograms(survey: Survey, picture: Path) -> None:
    """Writes a PNG of 1200 x 800 pixels. Raises InputError when it cannot be written."""
    figure = Figure(figsize=FIGURE_INCHES, dpi=FIGURE_DPI, layout="constrained")
    (image_sides, image_aspects, per_image), (object_sizes, object_aspects, classes) = figure.subplots(2, 3)
    sizes = survey.known_sizes.astype(float)
    boxes = survey.boxes[~survey.crowd].astype(float)
    sides = boxes[:, 2:] - boxes[:, :2]
    _sides(image_sides, sizes)
    _ratios(image_aspects, "Images: width / height", sizes[:, 1] / sizes[:, 0])
    _counts(per_image, survey.slots_per_image)
    _on_log_axis(object_sizes, "Objects: square root of the box area, pixels", np.sqrt(sides.prod(axis=1)))
    _ratios(object_aspects, "Objects: width / height", sides[:, 0] / sides[:, 1])
    classes.set_title("Objects of each class, most frequent first")
    classes.bar(np.arange(len(survey.classes)), np.sort(survey.per_class)[::-1], width=1.0)
    with replacing(picture) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary), metadata={"Software": MARK})


def _sides(axes: Axes, sizes: np.ndarray) -> None:
    axes.set_title("Images: sides, pixels")
    if len(sizes):
        edges = np.linspace(0, sizes.max() * 1.01, BINS).tolist()
        axes.hist(sizes[:, 1], bins=edges, alpha=0.6, label="width")
        axes.hist(sizes[:, 0], bins=edges, alpha=0.6, label="height")
        axes.legend()


def _counts(axes: Axes, per_image: np.ndarray) -> None:
    axes.set_title("Objects per image")
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
        low, high = values.min(), values.max()
        axes.hist(values, bins=np.geomspace(low * 0.99, high * 1.01, BINS).tolist())
