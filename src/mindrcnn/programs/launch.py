"""Start a program of MindRCNN in several processes, one a device.

python -m mindrcnn.programs.launch --devices 8 --log-dir logs -- train.py configs/mask_rcnn_r50_fpn_1x_coco.yaml
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mindrcnn.engine.distributed.environment import LOCAL_HOST, read_rank_table
from mindrcnn.errors import InputError
from mindrcnn.launch.commands import Command, Job, mpirun_commands, msrun_commands, rank_table_commands
from mindrcnn.launch.supervise import Supervisor, say

LAUNCHERS: dict[str, Callable[[Job], list[Command]]] = {
    "msrun": msrun_commands,
    "mpirun": mpirun_commands,
    "rank-table": rank_table_commands,
}
EXIT_INPUT = 2


def parse_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="mindrcnn.programs.launch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--launcher", choices=list(LAUNCHERS), default="msrun", help="what starts the processes")
    parser.add_argument("--devices", type=positive, help="processes on all machines; of a rank table, as it says")
    parser.add_argument("--local-devices", type=positive, help="processes on this machine (all of them)")
    parser.add_argument("--node-rank", type=int, default=0, help="number of this machine, from 0")
    parser.add_argument("--master-addr", default=LOCAL_HOST, help="address of machine 0")
    parser.add_argument("--master-port", type=int, default=0, help="port on machine 0 (a free one)")
    parser.add_argument("--rank-table", type=Path, help="HCCL rank table (JSON), with --launcher rank-table")
    parser.add_argument("--bind-cores", action="store_true", help="give each process its own cores")
    parser.add_argument("--log-dir", type=Path, required=True, help="folder for the log of each process")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and end")
    parser.add_argument("program", nargs="+", help="program and its arguments, after --")
    return parser.parse_args(words)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number above 0, got {text}")
    return int(text)


def read_job(arguments: argparse.Namespace) -> Job:
    """The job that the options describe. InputError where they do not fit together."""
    by_table = arguments.launcher == "rank-table"
    if arguments.rank_table is not None and not by_table:
        raise InputError(f"--rank-table: wanted --launcher rank-table with it, got {arguments.launcher}")
    devices, local = arguments.devices, arguments.local_devices
    if by_table and arguments.rank_table is not None:
        servers = read_rank_table(arguments.rank_table)
        size = sum(len(server) for server in servers)
        if devices not in (None, size):
            raise InputError(f"--devices: wanted {size}, the ranks of {arguments.rank_table}, got {devices}")
        devices, local = size, len(servers[min(arguments.node_rank, len(servers) - 1)])
    if devices is None:
        raise InputError("--devices: wanted the number of processes, got nothing")
    local = local or devices
    if local > devices or (not by_table and devices % local):
        raise InputError(f"--local-devices: wanted a divisor of the {devices} devices, got {local}")
    if arguments.launcher == "mpirun" and local < devices:
        raise InputError("--local-devices: wanted all devices on one machine with mpirun; start mpirun itself for more")
    if local < devices and not by_table and arguments.master_port == 0:
        raise InputError("--master-port: wanted the port that all machines are told, got nothing")
    if not by_table and not 0 <= arguments.node_rank < devices // local:
        raise InputError(f"--node-rank: wanted 0 to {devices // local - 1}, got {arguments.node_rank}")
    return Job(
        program=tuple(arguments.program),
        devices=devices,
        local_devices=local,
        log_dir=arguments.log_dir,
        node_rank=arguments.node_rank,
        master_addr=arguments.master_addr,
        master_port=arguments.master_port,
        rank_table=arguments.rank_table,
        bind_cores=arguments.bind_cores,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    arguments = parse_arguments(words)
    try:
        job = read_job(arguments)
        commands = LAUNCHERS[arguments.launcher](job)
    except InputError as error:
        say(f"error: {error}")
        return EXIT_INPUT
    if arguments.dry_run:
        for command in commands:
            settings = [f"{name}={value}" for name, value in command.environment.items()]
            sys.stdout.write(shlex.join(["env", *settings, *command.words]) + f" >{shlex.quote(str(command.output))}\n")
        return 0
    return Supervisor(job, commands).run()


if __name__ == "__main__":
    sys.exit(main())
