"""Further destinations for the numbers and pictures of a run; metrics.jsonl stays the source of all of them."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mindrcnn import paths
from mindrcnn.engine.tracking.sink_mlflow import CLASS_CURVES, MlflowSink, require_mlflow
from mindrcnn.engine.tracking.sink_summary_record import SummaryRecordSink
from mindrcnn.engine.tracking.sink_tensorboard import TensorBoardSink
from mindrcnn.errors import InputError

# Sinks that need another package: its module, and its name for pip.
_EXTRAS = {"tensorboard": ("tensorboardX", "tensorboardX"), "mlflow": ("mlflow", "mlflow")}

Scalars = Mapping[str, float]


class MetricSink(Protocol):
    """A destination of reports. step: completed steps. Methods raise InputError when they cannot write."""

    def scalars(self, step: int, values: Scalars) -> None:
        """Takes finite numbers under names such as loss/mask."""

    def pictures(self, step: int, files: Sequence[Path]) -> None:
        """Takes the pictures of an evaluation, each named after its file."""

    def close(self, *, failed: bool) -> None:
        """Ends the reports. failed: training ended with an exception."""


def require_sinks(names: Iterable[str]) -> None:
    """Raises InputError with the command to run if a sink's package is not installed."""
    for name in names:
        module, package = _EXTRAS.get(name, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            raise InputError(f"train.log_to: {name} needs the package {package}: python -m pip install {package}")


def require_reachable(names: Iterable[str]) -> None:
    """Raises InputError if a sink that is a server does not answer; called before a run folder is created."""
    if "mlflow" in names:
        require_mlflow()


def open_sinks(
    names: Sequence[str], *, folder: Path, run_name: str, rows: Sequence[Mapping[str, Any]], resumed_after: int | None
) -> tuple[MetricSink, ...]:
    """Opens sinks by name. Points that a sink already has for steps after `resumed_after` are not shown twice.

    names: those of `train.log_to`.
    folder: the run folder, which holds the files of the sinks.
    run_name: name of the run in MLflow.
    rows: those of metrics.jsonl up to `resumed_after`.
    resumed_after: the last step before a resumed run continues; None for a new run.
    """
    makers: dict[str, Callable[[], MetricSink]] = {
        "tensorboard": lambda: TensorBoardSink(
            folder=folder / "tensorboard", resumed_after=resumed_after, config_yaml=read_config(folder)
        ),
        "mlflow": lambda: MlflowSink(folder=folder, run_name=run_name),
        "summary_record": lambda: SummaryRecordSink(folder=folder / "summary_record", before=history(rows)),
    }
    require_sinks(names)
    return tuple(makers[name]() for name in names)


def read_config(folder: Path) -> str:
    """Returns the configuration of a run; empty for a folder without one."""
    path = folder / "config.yaml"
    return paths.read_text(path) if paths.is_file(path) else ""


def history(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yields (step, scalars) for each row of metrics.jsonl."""
    for row in rows:
        yield row["step"], row_scalars(row)


def row_scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of a row of metrics.jsonl under the names that sinks show, without those that are null."""
    if row["kind"] == "eval":
        values = {f"eval/{name}": value for name, value in row["metrics"].items()}
        for metric, classes in row.get("classes", {}).items():
            values |= {f"{CLASS_CURVES}{metric}/{name}": value for name, value in classes.items()}
    else:
        values = {f"loss/{name.removeprefix('loss_')}": value for name, value in row["losses"].items()}
        values |= {f"loss/{name}": row[name] for name in ("rpn_loss", "rcnn_loss") if name in row}
        values |= {f"memory_gb/{name}": value for name, value in row.get("memory_gb", {}).items()}
        values |= {
            "loss/total": row["total"],
            "train/lr": row["lr"],
            "train/grad_norm": row["grad_norm"],
            "speed/images_per_s": row["images_per_s"],
            "speed/data_wait": row["data_wait"],
        }
    return {name: value for name, value in values.items() if value is not None}
