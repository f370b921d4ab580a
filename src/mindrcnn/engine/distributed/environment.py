"""The environment of one process among several, left by msrun, mpirun or an HCCL rank table.

Nothing here imports MindSpore: the variables that it reads while loading must be set before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.json_text import parse_json

Launcher = Literal["none", "msrun", "mpirun", "rank-table"]

# MindSpore uses MPI itself when it finds one of these; here MPI only starts the processes.
MPI_VARIABLES = ("OMPI_COMMAND", "PMIX_RANK")
LOCAL_HOST = "127.0.0.1"
SCHEDULER_PORT = "8118"  # msrun's default
# The beginnings of the lines that a process writes to its output when it has joined the others, and when its work is
# done and only leaving them remains.
CONNECTED, FINISHED = "connected", "finished"
_DIGITS = 9  # of a rank, a device or a number of processes
_RANKS_SHOWN = 10  # in a message about a rank table


@dataclass(frozen=True)
class Launch:
    """The launch of one process.

    Attributes:
        launcher: the program or table that started it.
        rank: its number among the processes; None until MindSpore assigns one.
        size: number of processes.
        device_id: its device on this machine; None if the launcher does not choose one.
        scheduler: whether it is msrun's extra process, which connects the others and computes nothing.
    """

    launcher: Launcher = "none"
    rank: int | None = 0
    size: int = 1
    device_id: int | None = None
    scheduler: bool = False


def read_launch(environment: Mapping[str, str]) -> Launch:
    """Reads how this process was started. Raises InputError if variables are missing or contradict each other."""
    mpi_size = _number(environment, "OMPI_COMM_WORLD_SIZE", low=1)
    uses_mpi = mpi_size is not None and mpi_size > 1
    if "MS_ROLE" in environment:
        if uses_mpi:
            raise InputError(
                "environment: wanted one launcher, got the variables of two: msrun's MS_ROLE and mpirun's "
                "OMPI_COMM_WORLD_SIZE"
            )
        return _read_msrun(environment)
    if uses_mpi:
        return Launch(
            launcher="mpirun",
            rank=_required(environment, "OMPI_COMM_WORLD_RANK", high=mpi_size),
            size=_required(environment, "OMPI_COMM_WORLD_SIZE"),
            device_id=_required(environment, "OMPI_COMM_WORLD_LOCAL_RANK", high=mpi_size),
        )
    if environment.get("RANK_TABLE_FILE"):
        return _read_launch_from_table(environment)
    return Launch()


def cluster_variables(launch: Launch, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables with which MindSpore connects mpirun's processes as it does msrun's.

    Empty for the other launchers. The scheduler's address is MS_SCHED_HOST and MS_SCHED_PORT, by default this machine.
    Raises InputError if the processes run on several machines and MS_SCHED_HOST is not set.
    """
    if launch.launcher != "mpirun":
        return {}
    local_size = _number(environment, "OMPI_COMM_WORLD_LOCAL_SIZE", low=1)
    if local_size is not None and local_size < launch.size and "MS_SCHED_HOST" not in environment:
        raise InputError(
            "environment: wanted MS_SCHED_HOST, the address of rank 0's machine, because mpirun started only "
            f"{local_size} of {launch.size} processes on this one, got nothing (mpirun -x MS_SCHED_HOST=...)"
        )
    return {
        "MS_ROLE": "MS_WORKER",
        "MS_WORKER_NUM": str(launch.size),
        "MS_NODE_ID": str(launch.rank),
        "MS_SCHED_HOST": environment.get("MS_SCHED_HOST", LOCAL_HOST),
        "MS_SCHED_PORT": environment.get("MS_SCHED_PORT", SCHEDULER_PORT),
    }


def read_rank_table(path: Path) -> list[dict[int, int]]:
    """Reads an HCCL rank table: one mapping of rank to device id per server, in order.

    Raises InputError for any other file.
    """
    try:
        table = parse_json(paths.read_bytes(path, "rank table"), path)
    except InputError as error:
        raise InputError(f"rank table: wanted a readable JSON file, got {path}: {error}") from error
    try:
        servers = [
            {_table_number(device["rank_id"]): _table_number(device["device_id"]) for device in server["device"]}
            for server in table["server_list"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: wanted server_list[].device[] with rank_id and device_id, got a table without them ({error!r})"
        ) from error
    ranks = sorted(rank for server in servers for rank in server)
    if not ranks or ranks != list(range(len(ranks))):
        found = shorten([str(rank) for rank in ranks], _RANKS_SHOWN) or "none"
        raise InputError(f"{path}: wanted the rank_ids 0, 1, 2, ... once each, got {found}")
    return servers


def _table_number(value: object) -> int:
    """Reads a number of a rank table, which may be a text. Raises ValueError for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    if type(value) is int and 0 <= value <= 10**_DIGITS:  # not is_whole, which loads NumPy for `launch --help`
        return value
    raise ValueError(f"wanted a whole number, got {quote_value(value)}")


def _read_msrun(environment: Mapping[str, str]) -> Launch:
    role, size = environment["MS_ROLE"], _required(environment, "MS_WORKER_NUM", low=1)
    if role == "MS_SCHED":
        return Launch(launcher="msrun", size=size, scheduler=True)
    if role != "MS_WORKER":
        raise InputError(f"environment: MS_ROLE: wanted MS_WORKER or MS_SCHED, got {role}")
    rank = _number(environment, "MS_NODE_ID", high=size)
    if rank is None:  # on several machines without --node_rank
        rank = _number(environment, "RANK_ID", high=size)
    return Launch(launcher="msrun", rank=rank, size=size, device_id=_number(environment, "DEVICE_ID"))


def _read_launch_from_table(environment: Mapping[str, str]) -> Launch:
    path = Path(environment["RANK_TABLE_FILE"])
    devices = {rank: device for server in read_rank_table(path) for rank, device in server.items()}
    rank = _required(environment, "RANK_ID", high=len(devices))
    device_id = _required(environment, "DEVICE_ID")
    if devices[rank] != device_id:
        raise InputError(
            f"environment: DEVICE_ID: wanted {devices[rank]}, the device of RANK_ID {rank} in {path}, got {device_id}"
        )
    size = _number(environment, "RANK_SIZE", low=1)
    if size is not None and size != len(devices):
        raise InputError(f"environment: RANK_SIZE: wanted {len(devices)}, the number of ranks in {path}, got {size}")
    return Launch(launcher="rank-table", rank=rank, size=len(devices), device_id=device_id)


def _required(environment: Mapping[str, str], name: str, *, low: int = 0, high: int | None = None) -> int:
    number = _number(environment, name, low=low, high=high)
    if number is None:
        raise InputError(f"environment: wanted {name} along with the launcher's other variables, got nothing")
    return number


def _number(environment: Mapping[str, str], name: str, *, low: int = 0, high: int | None = None) -> int | None:
    """Reads a variable as a number of at least `low` and below `high`; None if it is not set."""
    text = environment.get(name)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > _DIGITS or int(text) < low or (high is not None and int(text) >= high):
        wanted = f"a number of at least {low}" if high is None else f"a number from {low} to {high - 1}"
        raise InputError(f"environment: {name}: wanted {wanted}, got {quote_value(text)}")
    return int(text)
