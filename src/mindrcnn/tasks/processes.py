"""The parts of training and evaluation that depend on the number of processes."""

import hashlib
import logging
from collections.abc import Callable, Iterable
from glob import escape
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor

import mindrcnn
from mindrcnn import paths
from mindrcnn.build.device import set_device
from mindrcnn.config.loader import list_settings
from mindrcnn.config.run import Config, DeviceConfig
from mindrcnn.data.record import Dataset
from mindrcnn.data.record_table import describe_records
from mindrcnn.engine.distributed.collectives import AverageGradients, AverageInMemory, GlobalSampleCount
from mindrcnn.engine.distributed.connect import connect
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.distributed.shared_memory import share_memory
from mindrcnn.engine.step.accumulation import AccumulatingStep
from mindrcnn.engine.step.train_step import TrainStep, identity
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.engine.trainer import StepFunction
from mindrcnn.ops.losses import SampleCount, at_least_one

PLACES = ("data.root", "device.id", "data.workers")  # settings that may differ between machines


def join_job(device: DeviceConfig, seed: int) -> Ranks:
    """Selects the device, seeds and connects the processes; from then on all but the first log only warnings."""
    set_device(device, seed)
    ranks = connect()
    setup_logging(console_level=console_level(ranks))
    return ranks


def require_same_job(config: Config, ranks: Ranks) -> None:
    """Raises InputError on all processes unless they run the same software with the same configuration.

    Places may differ from machine to machine; what is found there is compared by `require_same_data`.
    """
    if ranks.size == 1:
        return
    settings = {name: text for name, text in list_settings(config).items() if name not in PLACES}
    ranks.require_same("software", software())
    ranks.require_same("configuration", settings)


def require_same_data(dataset: Dataset, ranks: Ranks) -> None:
    """Raises InputError on all processes unless they have read the same data set."""
    if ranks.size == 1:
        return
    described = describe_records(dataset.records) | {"classes": ", ".join(dataset.classes)}
    ranks.require_same(f"data ({dataset.annotation_file.name})", described)


def require_same_parameters(parameters: Iterable[Parameter], ranks: Ranks) -> None:
    """Raises InputError on all processes unless their parameters are equal: weights and checkpoints are files, too."""
    if ranks.size == 1:
        return
    digests: dict[str, Any] = {}
    for parameter in parameters:
        part, *_ = parameter.name.split(".")
        digest = digests.setdefault(part, hashlib.sha256())
        digest.update(parameter.name.encode() + np.ascontiguousarray(parameter.asnumpy()).tobytes())
    ranks.require_same("parameters", {part: digest.hexdigest()[:12] for part, digest in digests.items()})


def software() -> dict[str, str]:
    """Returns what computes: the versions of this package, with a checksum of its sources, and of MindSpore."""
    digest = hashlib.sha256()
    root = Path(mindrcnn.__file__).parent
    for file in paths.expand_pattern(f"{escape(str(root))}/**/*.py"):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + paths.read_bytes(file))
    return {
        "mindrcnn": f"{mindrcnn.__version__} (sources {digest.hexdigest()[:12]})",
        "mindspore": ms.__version__,
    }


def open_log(folder: Path, ranks: Ranks) -> None:
    """Logs to train.log in the run folder, or to this process's own train_rank_N.log."""
    name = "train.log" if ranks.first else f"train_rank_{ranks.rank}.log"
    setup_logging(folder / name, console_level=console_level(ranks))


def console_level(ranks: Ranks) -> int:
    """Returns the lowest level that a process logs to standard error."""
    return logging.INFO if ranks.first else logging.WARNING


def build_sample_count(ranks: Ranks) -> SampleCount:
    """Returns the divisor of losses: see SampleCount in ops/losses.py."""
    return at_least_one if ranks.size == 1 else GlobalSampleCount(size=ranks.size)


def build_gradient_reduction(ranks: Ranks) -> Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Returns the function that averages gradients over the processes; the identity for one."""
    if ranks.size == 1:
        return identity
    return AverageInMemory() if share_memory(ranks) else AverageGradients(size=ranks.size)


def synchronize_start(step: TrainStep | AccumulatingStep, ranks: Ranks) -> StepFunction:
    """Returns the step with a start that waits until every process has compiled it for the shapes of the batch.

    On a CPU, MindSpore's collectives inside it fail if one process compiles half a minute longer than another.
    """
    if ranks.size == 1:
        return step

    def run(*batch: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        if ms.get_context("mode") == ms.GRAPH_MODE:
            step.compile(*batch)  # does nothing for shapes that it has been compiled for
        ranks.wait()
        return step(*batch)

    return run
