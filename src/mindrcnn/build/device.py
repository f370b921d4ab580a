"""Configuration to MindSpore's context, set from the keys under `device`."""

import mindspore as ms

from mindrcnn.config.run import DeviceConfig
from mindrcnn.engine.distributed.connect import current_launch
from mindrcnn.errors import InputError


def set_device(device: DeviceConfig, seed: int) -> None:
    """Selects the back end and execution mode and seeds initialisation. InputError where there is no such device.

    On Ascend and GPU a launcher's number of the device goes before the configuration's.
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
    ms.set_context(mode=ms.GRAPH_MODE if device.mode == "graph" else ms.PYNATIVE_MODE)
    ms.set_seed(seed + 1)  # MindSpore takes no 0 everywhere
