"""Configuration to MindSpore's context, set from the keys under `device`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import mindspore as ms

from mindrcnn.config.run import DeviceConfig
from mindrcnn.engine.distributed.connect import current_launch
from mindrcnn.engine.signals import interrupts_kept
from mindrcnn.errors import InputError

Mode = Literal["graph", "pynative"]

_device = threading.RLock()  # MindSpore's execution mode is the process's, and a network is one thread's at a time


def set_device(device: DeviceConfig, seed: int) -> None:
    """Selects the back end and execution mode and seeds initialisation. InputError where there is no such device."""
    select_device(device)
    ms.set_context(mode=_MODES[device.mode])
    ms.set_seed(seed + 1)  # MindSpore takes no 0 everywhere


def select_device(device: DeviceConfig) -> None:
    """Selects the back end alone. InputError where there is no such device.

    On Ascend and GPU a launcher's number of the device takes precedence over the configuration's.
    """
    launch = current_launch()
    if launch.launcher == "rank-table" and device.target != "Ascend":
        raise InputError(f"device.target: wanted Ascend with RANK_TABLE_FILE in the environment, got {device.target}")
    device_id = device.id if device.target == "CPU" or launch.device_id is None else launch.device_id
    try:
        # MindSpore refuses the call once anything has run, even for the device that is in use.
        if (ms.get_context("device_target"), ms.get_context("device_id")) != (device.target, device_id):
            ms.set_device(device.target, device_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"device: wanted an available MindSpore device, got {device.target} {device_id}: {reason}"
        ) from error
    if device.deterministic and device.target != "CPU":  # a CPU's operators are, and know no such switch
        ms.set_deterministic(True)


@contextmanager
def exclusive_device(mode: Mode | None = None) -> Iterator[None]:
    """Gives the calling thread the device alone, in an execution mode (None: as it is), and afterwards puts back the
    mode that was in use. Ctrl-C stays as it was."""
    with _device, interrupts_kept():
        before = ms.get_context("mode")
        try:
            if mode is not None and _MODES[mode] != before:
                ms.set_context(mode=_MODES[mode])
            yield
        finally:
            if ms.get_context("mode") != before:
                ms.set_context(mode=before)


_MODES = {"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}
