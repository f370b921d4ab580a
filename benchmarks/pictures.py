"""Pictures of a run for docs/performance.md."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.case import MINDRCNN, NAMES, TORCHVISION, Case
from benchmarks.document import MIB, median_part, with_rivals
from benchmarks.measure import CaseResult
from benchmarks.stages import STAGES

COLOURS: dict[str, str] = {MINDRCNN: "tab:blue", TORCHVISION: "tab:orange"}
DOTS_PER_INCH = 100


def draw_stages(cases: Sequence[CaseResult], path: Path) -> None:
    """Draws a stacked bar of seconds by stage for each library, one panel per case of the ordinary run."""
    shown = [
        result for result in cases if result.case.kind.endswith("_stages") and result.case.core and not result.error
    ]
    figure, panels = plt.subplots(
        1, max(len(shown), 1), figsize=(2.6 * max(len(shown), 1) + 2.2, 5), squeeze=False, layout="constrained"
    )
    for panel, result in zip(panels[0], shown, strict=False):
        stage_bars(panel, result)
    colours = [plt.Rectangle((0, 0), 1, 1, color=plt.get_cmap("tab20")(index)) for index in range(len(STAGES))]
    figure.legend(colours[::-1], STAGES[::-1], loc="outside right center", frameon=False, fontsize=9)
    save(figure, path)


def stage_bars(panel: Axes, result: CaseResult) -> None:
    """Draws one panel: the libraries side by side."""
    sides = [side for side in (MINDRCNN, TORCHVISION) if side in result.sides]
    bottom = [0.0] * len(sides)
    for index, stage in enumerate(STAGES):
        # The backward pass is a difference, which may fall below zero.
        heights = [max(median_part(result.sides[side], stage), 0.0) for side in sides]
        panel.bar([NAMES[side] for side in sides], heights, bottom=bottom, color=plt.get_cmap("tab20")(index))
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    settings = result.case.settings
    kind = result.case.kind.removesuffix("_stages")
    panel.set_title(f"{kind}\n{settings['head']}, {settings['height']}x{settings['width']}", fontsize=10)
    panel.set_ylabel("seconds")
    for place in ("top", "right"):
        panel.spines[place].set_visible(False)


def draw_rivals(cases: Sequence[CaseResult], path: Path) -> None:
    """Draws a bar of seconds for each side, one panel per case that has rivals, the sides in the same order."""
    shown = with_rivals(cases)
    rows = max((len(shown) + 1) // 2, 1)
    figure, panels = plt.subplots(rows, 2, figsize=(11, 3.2 * rows), squeeze=False, layout="constrained")
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    for panel, result in zip(panels.flat, shown, strict=False):
        sides = [name for name in NAMES if name in result.sides][::-1]
        seconds = [statistics.median(result.sides[name].seconds["total"]) for name in sides]
        colours = [COLOURS.get(name, "tab:gray") for name in sides]
        panel.barh([NAMES[name] for name in sides], seconds, color=colours)
        panel.set_title(result.case.name, fontsize=10)
        panel.set_xlabel("seconds")
        for place in ("top", "right"):
            panel.spines[place].set_visible(False)
    save(figure, path)


# Kind, quantity that varies, its value, axis label; other settings as in the 256x256 or mask_rcnn cases of batch 1.
SERIES: tuple[tuple[str, str, Callable[[Case], float], str], ...] = (
    ("inference", "size", lambda case: case.settings["height"] * case.settings["width"] / 1e6, "megapixels"),
    ("training", "size", lambda case: case.settings["height"] * case.settings["width"] / 1e6, "megapixels"),
    ("training", "batch", lambda case: case.settings["batch"], "images a step, 256x256"),
    ("training", "objects", lambda case: case.settings["objects"], "objects an image, 256x256"),
    ("inference", "proposals", lambda case: case.settings.get("proposals", 1000), "proposals, 256x256"),
)


def belongs(case: Case, kind: str, varies: str) -> bool:
    """Returns whether a case is a point of a series: Mask R-CNN, and ordinary in all that does not vary."""
    if case.kind != kind or case.settings["head"] != "mask_rcnn" or "slots" in case.settings:
        return False
    if case.name.startswith(f"growth/{kind}/{varies}/"):
        return True
    if varies == "size":
        return case.group == kind and case.settings["batch"] == 1
    return case.name == f"growth/{kind}/size/256x256"


def draw_growth(cases: Sequence[CaseResult], path: Path) -> None:
    """Draws time above and memory below, one column per growing quantity."""
    figure, panels = plt.subplots(2, len(SERIES), figsize=(3.1 * len(SERIES), 5.6), layout="constrained")
    for column, (kind, varies, place, label) in enumerate(SERIES):
        points = sorted(
            (result for result in cases if belongs(result.case, kind, varies) and not result.error),
            key=lambda result: place(result.case),
        )
        upper, lower = panels[0][column], panels[1][column]
        for side in (MINDRCNN, TORCHVISION):
            here = [result for result in points if side in result.sides]
            x = [place(result.case) for result in here]
            seconds = [statistics.median(result.sides[side].seconds["total"]) for result in here]
            memory = [result.sides[side].peak_memory / MIB / 1024 for result in here]
            upper.plot(x, seconds, marker="o", color=COLOURS[side], label=NAMES[side])
            lower.plot(x, memory, marker="o", color=COLOURS[side], label=NAMES[side])
        upper.set_title(kind, fontsize=10)
        upper.set_ylabel("seconds")
        lower.set_ylabel("peak memory, GiB")
        lower.set_xlabel(label)
        for panel in (upper, lower):
            panel.set_ylim(bottom=0)
            panel.set_xlim(left=0)
            panel.grid(alpha=0.3)
    panels[0][0].legend(frameon=False, fontsize=9)
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    """Writes and closes the figure."""
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
