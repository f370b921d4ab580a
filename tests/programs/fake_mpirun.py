"""Stands in for Open MPI's mpirun: starts the program N times with the variables that it leaves, on this machine."""

import os
import subprocess
import sys


def main() -> int:
    size = int(sys.argv[sys.argv.index("-n") + 1])
    command = sys.argv[sys.argv.index("bash") :]
    processes = []
    for rank in range(size):
        variables = {
            "OMPI_COMMAND": command[0],
            "OMPI_COMM_WORLD_RANK": str(rank),
            "OMPI_COMM_WORLD_SIZE": str(size),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
            "OMPI_COMM_WORLD_LOCAL_SIZE": str(size),
            "PMIX_RANK": str(rank),
        }
        processes.append(subprocess.Popen(command, env=os.environ | variables))
    return max(process.wait() for process in processes)


sys.exit(main())
