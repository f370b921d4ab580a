"""The table of the variants that are done, beside the default."""

import json
import statistics
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.training_beside.piece import BOUNDARY, MASK_RCNN, MINDRCNN, Run
from mindrcnn.evaluation.coco.mask_calibration import CALIBRATION_FILES
from mindrcnn.tasks.split_evaluator import METRICS

TABLE = "variants.md"
NOT_RESCORED = "not rescored"
SHOWN = ("bbox", "segm", NOT_RESCORED, "boundary")
HEADER = "| Data | Model | Seeds | Box AP | Mask AP | without rescoring | Boundary AP |"

Values = Mapping[str, Sequence[float]]  # by metric, one a seed


def write_report(runs: Sequence[Run], folder: Path) -> str:
    """Writes and returns the table of the runs that are done."""
    text = "\n".join(table_lines({run: read_aps(run) for run in runs if metrics_file(run).is_file()})) + "\n"
    (folder / TABLE).write_text(text, encoding="utf-8")
    return text


def metrics_file(run: Run) -> Path:
    """Returns the file of the metrics with boundary AP."""
    return run.side(MINDRCNN) / BOUNDARY / METRICS


def read_aps(run: Run) -> dict[str, float]:
    """Returns the AP of boxes, masks, masks without rescoring if the model rescores, and boundaries."""
    path = metrics_file(run)
    metrics = json.loads(path.read_text(encoding="utf-8"))
    aps = {name: metrics[name]["AP"] for name in SHOWN if name in metrics}
    calibration = path.parent / CALIBRATION_FILES[0]
    if calibration.is_file():
        plain = json.loads(calibration.read_text(encoding="utf-8"))["mask_ap_without_rescoring"]
        aps[NOT_RESCORED] = plain["AP"]
    return aps


def table_lines(done: Mapping[Run, Mapping[str, float]]) -> list[str]:
    """Returns a Markdown table: mean and range over the seeds, and where the range parts from the default's."""
    lines = [HEADER, "|" + "---|" * 7]
    default: Values = {}
    for (data, model), group in groupby(done, key=lambda run: (run.data, run.model)):
        members = [done[run] for run in group]
        values = {name: [aps[name] for aps in members] for name in SHOWN if name in members[0]}
        if model == MASK_RCNN:
            default = values
        cells = [cell(values.get(name, ()), default.get(name, ())) for name in SHOWN]
        lines.append(f"| {data} | `{model}` | {len(members)} | {' | '.join(cells)} |")
    return lines


def cell(values: Sequence[float], default: Sequence[float]) -> str:
    """Returns mean and range, with `higher` or `lower` if no seed is within the default's range or beyond it."""
    if not values:
        return ""
    text = f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
    return f"{text} {beside(values, default)}".rstrip()


def beside(values: Sequence[float], default: Sequence[float]) -> str:
    """Says whether the range lies above or below the default's; empty if they overlap, or until all seeds are done."""
    if len(values) < len(default) or not default:
        return ""
    if min(values) > max(default):
        return "higher"
    return "lower" if max(values) < min(default) else ""
