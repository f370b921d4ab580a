"""The command line of `mindrcnn launch`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn import paths
from mindrcnn.engine.distributed.environment import LOCAL_HOST, read_rank_table
from mindrcnn.engine.distributed.port import require_free_port
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.launch.commands import LAUNCHERS, Job, shell_line
from mindrcnn.programs.command_line import add_force, new_parser, not_negative, path, port_number, positive

PROG = "mindrcnn launch"
DESCRIPTION = """
Run a program in several processes, one per device: a sub-command (train or eval), or a Python file. The output of the
first process on this machine is shown; that of each is in worker_RANK.log. When a process dies, the others are ended
and the reason is shown.
"""
EXAMPLES = """
%(prog)s --devices 8 --log-dir logs -- train configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco
%(prog)s --devices 2 --log-dir logs --dry-run -- eval runs/first/best.ckpt
%(prog)s --launcher rank-table --rank-table hccl_8p.json --log-dir logs -- train.py mine.yaml
%(prog)s --make-rank-table hccl_8p.json --device-ids 0-7
"""
SUB_COMMANDS = ("train", "eval")  # those that share their work among processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "--launcher", choices=list(LAUNCHERS), default="msrun", help="starts the processes (default: %(default)s)"
    )
    parser.add_argument(
        "--devices",
        type=positive,
        metavar="N",
        help="number of processes on all machines (default: as many as the rank table has; required without one)",
    )
    parser.add_argument(
        "--local-devices", type=positive, metavar="N", help="number of processes on this machine (default: all)"
    )
    parser.add_argument(
        "--node-rank",
        type=not_negative,
        metavar="N",
        default=0,
        help="number of this machine, from 0 (default: %(default)s)",
    )
    parser.add_argument(
        "--master-addr",
        metavar="ADDRESS",
        default=LOCAL_HOST,
        help="address of machine 0 (default: %(default)s)",
    )
    parser.add_argument(
        "--master-port",
        type=port_number,
        metavar="PORT",
        default=0,
        help="port on machine 0 (default: a free one; required with several machines)",
    )
    parser.add_argument(
        "--rank-table", type=path, metavar="FILE", help="HCCL rank table (JSON), for --launcher rank-table"
    )
    parser.add_argument(
        "--bind-cores", action="store_true", help="give each process its own cores (default: the system places them)"
    )
    parser.add_argument(
        "--log-dir",
        type=path,
        metavar="DIR",
        help="folder for the output of each process (default: none; a program needs it)",
    )
    add_force(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the commands and exit (default: run them)")
    parser.add_argument(
        "program", nargs="*", metavar="PROGRAM", help="sub-command or Python file, and its arguments, after --"
    )
    add_rank_table_arguments(parser)


def add_rank_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that make a rank table."""
    table = parser.add_argument_group("rank tables")
    table.add_argument(
        "--make-rank-table",
        type=path,
        metavar="FILE",
        help="write the HCCL rank table of this machine's Ascend devices, and run nothing (default: run a program)",
    )
    table.add_argument(
        "--device-ids", metavar="LIST", default="0-7", help="devices of the table, as 0-7 or 0,1 (default: %(default)s)"
    )
    table.add_argument("--server-ip", metavar="ADDRESS", help="address of this machine (default: that of its name)")


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parser.parse_args(words)
    if arguments.make_rank_table is None and (not arguments.program or arguments.log_dir is None):
        parser.error("wanted --log-dir and, after --, a program; or --make-rank-table")
    if arguments.make_rank_table is not None and arguments.program:
        parser.error("--make-rank-table runs no program")
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: launch(arguments))


def launch(arguments: argparse.Namespace) -> int:
    """Runs the job, prints its commands, or writes a rank table."""
    from mindrcnn.launch.supervise import Supervisor

    if arguments.make_rank_table is not None:
        return make_rank_table(arguments)
    job = read_job(arguments)
    if job.node_rank == 0 and arguments.launcher != "rank-table" and not arguments.dry_run:
        option = "--master-port" if job.master_port else "--master-addr"
        require_free_port(job.master_addr, job.master_port, option)
    commands = LAUNCHERS[arguments.launcher](job)
    if not arguments.dry_run:
        return Supervisor(job, commands, force=arguments.force).run()
    for command in commands:
        sys.stdout.write(shell_line(command) + "\n")
    return EXIT_OK


def make_rank_table(arguments: argparse.Namespace) -> int:
    """Writes the rank table of this machine."""
    from mindrcnn.launch.make_rank_table import is_rank_table, read_devices, server_address, write_rank_table
    from mindrcnn.outputs import Output, protect

    target, devices = arguments.make_rank_table, read_devices(arguments.device_ids)
    protect([Output(target, is_rank_table)], force=arguments.force)
    server = server_address(arguments.server_ip)
    write_rank_table(target, devices, server=server)
    sys.stdout.write(f"{target}: {len(devices)} devices of {server}\n")
    return EXIT_OK


def read_job(arguments: argparse.Namespace) -> Job:
    """Returns the job that the options describe. InputError where they contradict each other."""
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
        program=python_words(arguments.program),
        devices=devices,
        local_devices=local,
        log_dir=arguments.log_dir,
        node_rank=arguments.node_rank,
        master_addr=arguments.master_addr,
        master_port=arguments.master_port,
        rank_table=arguments.rank_table,
        bind_cores=arguments.bind_cores,
    )


def python_words(words: Sequence[str]) -> tuple[str, ...]:
    """Returns what follows Python's name to run a sub-command or a file; an existing file takes precedence."""
    if words[0] in SUB_COMMANDS and not paths.is_file(Path(words[0])):
        return ("-m", "mindrcnn", *words)
    return tuple(words)


if __name__ == "__main__":
    sys.exit(main())
