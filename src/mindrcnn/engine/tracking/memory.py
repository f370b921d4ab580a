"""How much memory a training has taken."""

import resource

import mindspore as ms

_KIBIBYTE = 1024  # Linux counts the resident set in these
_GIGABYTE = 1e9


def peak_memory_gb() -> dict[str, float]:
    """The most so far, in units of 1e9 bytes: "host", resident memory of this process without its children, and
    "device", what tensors took there; a CPU has no device of its own."""
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE / _GIGABYTE}
    if ms.get_context("device_target") != "CPU":
        peak["device"] = ms.runtime.max_memory_allocated() / _GIGABYTE
    return peak
