"""Where numbers and pictures of a training go besides metrics.jsonl, which stays the source of all of them."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mindrcnn.engine.tracking.sink_mlflow import MlflowSink
from mindrcnn.engine.tracking.sink_summary_record import SummaryRecordSink
from mindrcnn.engine.tracking.sink_tensorboard import TensorBoardSink
from mindrcnn.errors import InputError

# Of each sink that needs more than this package does: the module, and what pip calls it.
_EXTRAS = {"tensorboard": ("tensorboardX", "tensorboardX"), "mlflow": ("mlflow", "mlflow")}

Scalars = Mapping[str, float]


class MetricSink(Protocol):
    """Takes what is reported. step: completed ones. InputError where it cannot be written."""

    def scalars(self, step: int, values: Scalars) -> None:
        """Finite numbers under names such as loss/mask."""

    def pictures(self, step: int, files: Sequence[Path]) -> None:
        """Pictures of an evaluation, each of them named by its file."""

    def close(self, *, failed: bool) -> None:
        """Nothing comes after this. failed: the training ended by an exception."""


def require_sinks(names: Iterable[str]) -> None:
    """InputError with the command that helps where a sink's package is not installed."""
    for name in names:
        module, package = _EXTRAS.get(name, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            raise InputError(f"train.log_to: {name} wants the package {package}: python -m pip install {package}")


def open_sinks(
    names: Sequence[str], *, folder: Path, run_name: str, rows: Sequence[Mapping[str, Any]], resumed_after: int | None
) -> tuple[MetricSink, ...]:
    """Opens sinks by name, in the run folder or beside it.

    resumed_after: the step that a resumed training goes on after, None for a new one; rows: those of metrics.jsonl up
    to there. What a sink has of later steps is not shown twice.
    """
    makers: dict[str, Callable[[], MetricSink]] = {
        "tensorboard": lambda: TensorBoardSink(folder=folder / "tensorboard", resumed_after=resumed_after),
        "mlflow": lambda: MlflowSink(folder=folder, run_name=run_name),
        "summary_record": lambda: SummaryRecordSink(folder=folder / "summary_record", before=history(rows)),
    }
    require_sinks(names)
    return tuple(makers[name]() for name in names)


def history(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, scalars) of each row of metrics.jsonl."""
    for row in rows:
        yield row["step"], row_scalars(row)


def row_scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row of metrics.jsonl under the names that sinks show; those without a value are left out."""
    if row["kind"] == "eval":
        values = {f"eval/{name}": value for name, value in row["metrics"].items()}
    else:
        values = {f"loss/{name.removeprefix('loss_')}": value for name, value in row["losses"].items()}
        values |= {f"memory_gb/{name}": value for name, value in row.get("memory_gb", {}).items()}
        values |= {
            "loss/total": row["total"],
            "train/lr": row["lr"],
            "train/grad_norm": row["grad_norm"],
            "speed/images_per_s": row["images_per_s"],
            "speed/data_wait": row["data_wait"],
        }
    return {name: value for name, value in values.items() if value is not None}
