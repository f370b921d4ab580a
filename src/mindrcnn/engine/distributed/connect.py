"""Connection of the processes of a job, made once at the start of a program."""

import logging
import os
import subprocess
import sys
from functools import cache

import mindspore as ms
import numpy as np
from mindspore import Tensor, mint
from mindspore.communication import get_group_size, get_rank, init

from mindrcnn.engine.distributed.environment import (
    CONNECTED,
    LOCAL_HOST,
    MPI_VARIABLES,
    SCHEDULER_PORT,
    Launch,
    cluster_variables,
    read_launch,
)
from mindrcnn.engine.distributed.port import require_free_port, wait_for_scheduler
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.distributed.rendezvous import open_rendezvous
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

_SHARED_BYTES = 512

# mpirun starts no scheduler, so rank 0 does. The scheduler exits by itself when the processes have left.
_SCHEDULER = "import mindspore as ms; from mindspore.communication import init; ms.set_device('CPU'); init()"


@cache
def current_launch() -> Launch:
    """Reads, once, how this process was launched: `connect` changes the environment variables afterwards."""
    return read_launch(os.environ)


def connect() -> Ranks:
    """Joins the other processes of the job; without a launcher the job is this process alone.

    The device must be set before. msrun's scheduler process exits inside the call. Raises InputError if the connection
    fails.
    """
    launch = current_launch()
    if launch.launcher == "none":
        return Ranks()
    variables = cluster_variables(launch, os.environ)
    if variables:
        for name in MPI_VARIABLES:
            os.environ.pop(name, None)
        if launch.rank == 0:
            require_free_port(variables["MS_SCHED_HOST"], variables["MS_SCHED_PORT"], "MS_SCHED_PORT")
            _start_scheduler(variables)
        os.environ.update(variables)
    if launch.launcher in ("msrun", "mpirun") and not launch.scheduler:
        wait_for_scheduler(os.environ.get("MS_SCHED_HOST", LOCAL_HOST), os.environ.get("MS_SCHED_PORT", SCHEDULER_PORT))
    try:
        init()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{launch.launcher}: wanted a connection of {launch.size} processes on {ms.get_context('device_target')}, "
            f"got: {reason}"
        ) from error
    if launch.scheduler:
        raise SystemExit(0)
    rank, size = get_rank(), get_group_size()
    if size != launch.size or launch.rank not in (None, rank):
        raise InputError(
            f"{launch.launcher}: wanted rank {launch.rank} of {launch.size}, from the environment, got rank {rank} of "
            f"{size}"
        )
    rendezvous = open_rendezvous(rank, size, _share)
    sys.stdout.write(f"{CONNECTED}: rank {rank} of {size}\n")
    sys.stdout.flush()
    return Ranks(rank=rank, size=size, all_gather=rendezvous, find_lost=rendezvous.find_lost)


def _start_scheduler(variables: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMIX_"))}
    subprocess.Popen(
        [sys.executable, "-c", _SCHEDULER],
        env={**environment, **variables, "MS_ROLE": "MS_SCHED"},
        stdin=subprocess.DEVNULL,
    )


def _share(text: bytes | None) -> list[bytes | None]:
    """Gathers texts of less than _SHARED_BYTES as tensors: all_gather_object would unpickle what others send."""
    padded = np.zeros(_SHARED_BYTES, np.int32)
    if text is not None:
        padded[: len(text) + 1] = [len(text), *text]
    own = Tensor.from_numpy(padded)
    gathered = [Tensor.from_numpy(np.zeros_like(padded)) for _ in range(get_group_size())]
    mint.distributed.all_gather(gathered, own)
    texts = [part.asnumpy() for part in gathered]
    return [bytes(part[1 : part[0] + 1].astype(np.uint8)) if part[0] else None for part in texts]
