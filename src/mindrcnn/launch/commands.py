"""The commands that start the processes of a job under each launcher."""

import hashlib
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mindrcnn import paths
from mindrcnn.cache import cache_folder
from mindrcnn.engine.distributed.environment import LOCAL_HOST, read_rank_table
from mindrcnn.errors import InputError
from mindrcnn.launch.logs import LAUNCHER_LOG

# Seconds that HCCL waits for the other devices to connect; its default of 120 is too short where ranks compile.
HCCL_CONNECT_TIMEOUT = "600"
CLUSTER_TIMEOUT = 300  # seconds that msrun waits for all of its processes to start

# msrun of MindSpore 2.8 puts the path of the log folder into a shell command when a worker fails.
PLAIN = re.compile(r"[A-Za-z0-9._/+=@,][A-Za-z0-9._/+=@,-]*")

# Each process of mpirun sends its output to its own file; $0 is the folder, "$@" the program.
REDIRECTED = 'exec "$@" >"$0/worker_$OMPI_COMM_WORLD_RANK.log" 2>&1'


@dataclass(frozen=True)
class Job:
    """The processes to start.

    Attributes:
        program: Words after Python's name.
        devices: Processes on all machines.
        local_devices: Processes on this machine.
        log_dir: Folder for the output of each process.
        node_rank: Number of this machine, from 0.
        master_addr: Address of machine 0.
        master_port: Port on machine 0; 0 takes a free one.
        rank_table: HCCL rank table, for the launcher of that name.
        bind_cores: Whether each process gets its own cores.
    """

    program: tuple[str, ...]
    devices: int
    local_devices: int
    log_dir: Path
    node_rank: int = 0
    master_addr: str = LOCAL_HOST
    master_port: int = 0
    rank_table: Path | None = None
    bind_cores: bool = False

    @property
    def local_ranks(self) -> range:
        """The ranks of this machine."""
        first = self.node_rank * self.local_devices
        return range(first, first + self.local_devices)

    def worker_log(self, rank: int) -> Path:
        """Returns the file for the output of a process, the same under every launcher."""
        return self.log_dir / f"worker_{rank}.log"


@dataclass(frozen=True)
class Alias:
    """A symbolic link that stands for a folder with a name that a program would misunderstand."""

    link: Path
    folder: Path

    def make(self) -> None:
        """Creates the link."""
        paths.make_folder(self.link.parent)
        temporary = self.link.with_name(f"{self.link.name}.{os.getpid()}")
        try:
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.folder)
            os.replace(temporary, self.link)
        except OSError as error:
            raise InputError(f"cannot create the link {self.link}: {error.strerror or error}") from error

    def shell_line(self) -> str:
        """Returns a line for a shell that creates folder and link."""
        folder, link, above = (shlex.quote(str(path)) for path in (self.folder, self.link, self.link.parent))
        return f"mkdir -p {folder} {above} && ln -sfn {folder} {link}"


@dataclass(frozen=True)
class Command:
    """One process to start; `environment` is added to this process's own. A launcher has the rank None.

    aliases: links that the words name; they are made before.
    """

    words: tuple[str, ...]
    output: Path
    environment: dict[str, str] = field(default_factory=dict)
    rank: int | None = None
    aliases: tuple[Alias, ...] = ()


def msrun_commands(job: Job) -> list[Command]:
    """Returns one msrun, which starts the scheduler and the workers."""
    aliases = () if is_plain(job.log_dir) else (plain_alias(job.log_dir),)
    log_dir = aliases[0].link if aliases else job.log_dir
    words = [
        str(Path(sys.executable).with_name("msrun")),
        f"--worker_num={job.devices}",
        f"--local_worker_num={job.local_devices}",
        f"--master_addr={job.master_addr}",
        f"--master_port={job.master_port or free_port()}",
        f"--log_dir={log_dir}",
        "--join=True",
        f"--cluster_time_out={CLUSTER_TIMEOUT}",
        f"--tail_worker_log={job.devices}",  # none: there is no such rank
    ]
    if job.local_devices < job.devices:
        words.append(f"--node_rank={job.node_rank}")
    if job.bind_cores:
        words.append("--bind_core=True")
    # msrun runs "python", whichever comes first on PATH
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return [
        Command(
            (*words, "python", *job.program),
            job.log_dir / LAUNCHER_LOG,
            common_environment() | {"PATH": path},
            aliases=aliases,
        )
    ]


def is_plain(path: Path) -> bool:
    """Tells whether a shell takes the path for one word that is not an option, and does nothing with it."""
    return PLAIN.fullmatch(str(path)) is not None


def plain_alias(folder: Path) -> Alias:
    """Returns a link with a plain name to the folder. Raises InputError if there is no place for one."""
    target = paths.resolve(folder)
    link = cache_folder("logs") / hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    if not is_plain(link):
        raise InputError(
            f"--log-dir: wanted a path of letters, digits and ._/+=@,- for msrun, which gives it to a shell, got "
            f"{str(folder)!r}; a link to it in {str(link.parent)!r} has such a name as well, MINDRCNN_CACHE names "
            "another folder"
        )
    return Alias(link, target)


def mpirun_commands(job: Job) -> list[Command]:
    """Returns one mpirun (Open MPI); rank 0 starts the scheduler that connects the processes."""
    cores = f"--map-by slot:PE={cores_per_process(job)} --bind-to core" if job.bind_cores else "--bind-to none"
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    worker = ["bash", "-c", REDIRECTED, str(paths.resolve(job.log_dir)), sys.executable, *job.program]
    cluster = {"MS_SCHED_HOST": job.master_addr, "MS_SCHED_PORT": str(job.master_port or free_port())}
    words = ["mpirun", *root, "-n", str(job.devices), *cores.split(), *worker]
    return [Command(tuple(words), job.log_dir / LAUNCHER_LOG, common_environment() | cluster)]


def rank_table_commands(job: Job) -> list[Command]:
    """Returns one process per device of this machine, which is the table's server number `node_rank`."""
    if job.rank_table is None:
        raise InputError("--rank-table: wanted an HCCL rank table with --launcher rank-table, got nothing")
    servers = read_rank_table(job.rank_table)
    if job.node_rank >= len(servers):
        raise InputError(f"--node-rank: wanted 0 to {len(servers) - 1}, the servers of {job.rank_table}, got "
                         f"{job.node_rank}")  # fmt: skip
    size = sum(len(server) for server in servers)
    commands = []
    for local_rank, (rank, device) in enumerate(sorted(servers[job.node_rank].items())):
        environment = {
            "RANK_TABLE_FILE": str(paths.resolve(job.rank_table)),
            "RANK_ID": str(rank),
            "RANK_SIZE": str(size),
            "DEVICE_ID": str(device),
        }
        words = (*taskset(job, local_rank), sys.executable, *job.program)
        commands.append(Command(words, job.worker_log(rank), common_environment() | environment, rank))
    return commands


def taskset(job: Job, local_rank: int) -> tuple[str, ...]:
    """Returns the words that bind a process, counted on this machine, to its equal share of the cores."""
    if not job.bind_cores:
        return ()
    cores = sorted(os.sched_getaffinity(0))
    count = cores_per_process(job)
    return "taskset", "-c", ",".join(map(str, cores[local_rank * count : (local_rank + 1) * count]))


def cores_per_process(job: Job) -> int:
    """Returns the number of cores of one process. Raises InputError if there are more processes than cores."""
    cores = len(os.sched_getaffinity(0))
    if cores < job.local_devices:
        raise InputError(f"--bind-cores: wanted at least {job.local_devices} cores, one per process, got {cores}")
    return cores // job.local_devices


def common_environment() -> dict[str, str]:
    """Returns the variables for every launcher; a value that the user has set stays."""
    return {"HCCL_CONNECT_TIMEOUT": os.environ.get("HCCL_CONNECT_TIMEOUT", HCCL_CONNECT_TIMEOUT)}


def free_port() -> int:
    """Returns an unused port, so that two jobs on one machine do not collide."""
    with socket.socket() as probe:
        probe.bind((LOCAL_HOST, 0))
        return int(probe.getsockname()[1])


def shell_line(command: Command) -> str:
    """Returns the command as one line for a shell."""
    settings = [f"{name}={value}" for name, value in command.environment.items()]
    line = shlex.join(["env", *settings, *command.words]) + f" >{shlex.quote(str(command.output))}"
    return " && ".join([*(alias.shell_line() for alias in command.aliases), line])


LAUNCHERS: dict[str, Callable[[Job], list[Command]]] = {
    "msrun": msrun_commands,
    "mpirun": mpirun_commands,
    "rank-table": rank_table_commands,
}
