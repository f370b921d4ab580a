"""Configuration to MindSpore's context, set from the keys under `device`."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import mindspore as ms

from mindrcnn.config.run import DeviceConfig
from mindrcnn.engine.distributed.connect import current_launch
from mindrcnn.engine.signals import preserve_interrupts
from mindrcnn.errors import InputError

Mode = Literal["graph", "pynative"]

IN_LINE = "MS_DEV_HOST_BLOCKING_RUN"  # read by MindSpore at its first PyNative operator

_device = threading.RLock()  # the execution mode belongs to the process, and a network serves one thread at a time


def set_device(device: DeviceConfig, seed: int) -> None:
    """Selects the back end and execution mode and seeds initialisation. Raises InputError for an unavailable device."""
    select_device(device)
    ms.set_context(mode=_MODES[device.mode])
    if device.jit_level != "auto":
        ms.set_context(jit_config={"jit_level": device.jit_level})
    ms.set_seed(seed + 1)  # some of MindSpore's functions reject 0


def select_device(device: DeviceConfig) -> None:
    """Selects the back end alone. Raises InputError for an unavailable device.

    On Ascend and GPU the device number of a launcher takes precedence over the configuration's.
    """
    launch = current_launch()
    if launch.launcher == "rank-table" and device.target != "Ascend":
        raise InputError(f"device.target: wanted Ascend with RANK_TABLE_FILE in the environment, got {device.target}")
    device_id = device.id if device.target == "CPU" or launch.device_id is None else launch.device_id
    try:
        # Once anything has run, MindSpore refuses the call even for the device in use.
        if (ms.get_context("device_target"), ms.get_context("device_id")) != (device.target, device_id):
            ms.set_device(device.target, device_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"device: wanted an available MindSpore device, got {device.target} {device_id}: {reason}"
        ) from error
    if device.target == "CPU":
        run_at_once()
    if device.deterministic and device.target != "CPU":  # CPU operators always are, and there is no switch
        ms.set_deterministic(True)


def run_at_once() -> None:
    """Lets the calling thread run PyNative operators itself, on a CPU; does nothing after the first operator.

    MindSpore gives them to other threads by default, so that the device never waits. On a CPU there is nothing to keep
    busy, and while the caller waits for a value it spins: the same operators took twice the processor time. The
    documented `mindspore.runtime.launch_blocking()` keeps those threads, and 2.10 computed wrong losses with it.
    """
    os.environ.setdefault(IN_LINE, "1")


@contextmanager
def exclusive_device(mode: Mode | None = None) -> Iterator[None]:
    """Gives the calling thread exclusive use of the device and restores execution mode and Ctrl-C afterwards.

    mode: the execution mode inside the block; None leaves it unchanged.
    """
    with _device, preserve_interrupts():
        before = ms.get_context("mode")
        try:
            if mode is not None and _MODES[mode] != before:
                ms.set_context(mode=_MODES[mode])
            yield
        finally:
            if ms.get_context("mode") != before:
                ms.set_context(mode=before)


_MODES = {"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}
