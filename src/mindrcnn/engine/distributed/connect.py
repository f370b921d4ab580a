"""Connects the processes of a job, once, at the start of a program."""

import logging
import os
import pickle
import subprocess
import sys
from functools import cache
from typing import Any

import mindspore as ms
from mindspore import mint
from mindspore.communication import get_group_size, get_rank, init

from mindrcnn.engine.distributed.environment import MPI_VARIABLES, Launch, cluster_variables, read_launch
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.distributed.rendezvous import open_rendezvous
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

# mpirun starts no scheduler, so rank 0 does. It ends by itself when the processes have gone.
_SCHEDULER = "import mindspore as ms; from mindspore.communication import init; ms.set_device('CPU'); init()"


@cache
def launched() -> Launch:
    """What started this process, as its environment said when it was first asked; `connect` changes the variables."""
    return read_launch(os.environ)


def connect() -> Ranks:
    """Joins the other processes of the job; without a launcher, the ranks are this process alone.

    The device has to be set before. msrun's scheduler process ends inside. InputError where the connection fails.
    """
    launch = launched()
    if launch.launcher == "none":
        return Ranks()
    variables = cluster_variables(launch, os.environ)
    if variables:
        for name in MPI_VARIABLES:
            os.environ.pop(name, None)
        if launch.rank == 0:
            _start_scheduler(variables)
        os.environ.update(variables)
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
            f"{launch.launcher}: wanted rank {launch.rank} of {launch.size}, as the environment says, got rank {rank} "
            f"of {size}"
        )
    return Ranks(rank=rank, size=size, all_gather=open_rendezvous(rank, size, _share))


def _start_scheduler(variables: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMIX_"))}
    subprocess.Popen(
        [sys.executable, "-c", _SCHEDULER],
        env={**environment, **variables, "MS_ROLE": "MS_SCHED"},
        stdin=subprocess.DEVNULL,
    )


def _share(value: Any) -> list[Any]:
    gathered: list[Any] = [None] * get_group_size()
    # As bytes: MindSpore 2.8 asks of what it gathers that it can be compared.
    mint.distributed.all_gather_object(gathered, pickle.dumps(value))
    return [pickle.loads(part) for part in gathered]
