"""Stands in for train.py under a launcher: waits, fails, kills itself, or stops at a signal as its argument says."""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

LONG = 120  # seconds; no test waits for them


def save_and_stop(number: int, frame: FrameType | None) -> None:
    """What training does at a signal."""
    print("saved", flush=True)
    sys.exit(128 + number)


def main() -> None:
    rank = int(os.environ.get("RANK_ID") or os.environ["OMPI_COMM_WORLD_RANK"])
    what, marked = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGTERM, save_and_stop)
    print(f"rank {rank} of device {os.environ.get('DEVICE_ID')} does {what}", flush=True)
    time.sleep(0.5)
    if what == "crash":  # that many starts, before it has connected or after
        connected, crashes = "connected" in sys.argv, Path("crashes")
        before = int(crashes.read_text()) if crashes.is_file() else 0
        if connected:
            print("connected: rank 1 of 2", flush=True)
        if rank == 1 and before < marked:
            crashes.write_text(str(before + 1))
            os.kill(os.getpid(), signal.SIGSEGV)
        return
    if what == "crash at the end":  # of one of two, when the work of all is done or only its own
        print(f"connected: rank {rank} of 2", flush=True)
        if rank == marked or "all" in sys.argv:
            print(f"finished: rank {rank} of 2", flush=True)
        if rank == marked:
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(LONG)
    if what == "end" or (what == "leave" and rank == marked):
        return
    if rank == marked and what == "fail":
        print("error: data.root: wanted a folder", flush=True)
        sys.exit(2)
    if rank == marked and what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(LONG)


main()
