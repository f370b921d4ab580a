"""The environment that a process needs before MindSpore loads.

`mindrcnn/__init__.py` calls `prepare_environment`, and Python runs that file before any other module of the package, so
the settings hold whichever module is imported first. Nothing here may import MindSpore, nor anything else that takes
long: until a program has set its handlers, Ctrl-C is a traceback.
"""

import os
import re
import sys
import warnings
from contextlib import suppress

ONEDNN_VARIABLE = "ONEDNN_MAX_CPU_ISA"
LOG_VARIABLE = "GLOG_v"
SPIN_VARIABLE = "GOMP_SPINCOUNT"

# On processors with AVX-512 these versions run a float32 3x3 convolution through a reference kernel of oneDNN: 64 to 64
# channels at 200x336 takes 4.6 s instead of 0.03 s on two cores. 2.8 is not affected and does not get the setting.
SLOW_CONVOLUTION_VERSIONS = ((2, 9), (2, 10))
ONEDNN_ISA = "AVX2"

# 3 is ERROR. MindSpore's own warnings (deprecated arguments, parameters absent from a checkpoint) repeat what this
# package reports itself, or concern things that its users cannot change.
LOG_LEVEL = "3"

# MindSpore runs operators on two threads, each with an OpenMP team of its own. By default libgomp lets an idle team
# spin 300,000 times on the cores that the other team needs: a step of small images can take nearly twice as long.
SPIN_COUNT = "2000"

FIRST_UNSUPPORTED_NUMPY = (2, 0)


def prepare_environment() -> None:
    """Sets the environment variables that MindSpore reads, except those that the user has set.

    Raises:
        ImportError: NumPy 2 or later is installed. MindSpore up to 2.10 then fails in ordinary tensor arithmetic.
    """
    _require_supported_numpy()
    os.environ.setdefault(LOG_VARIABLE, LOG_LEVEL)
    if "OMP_WAIT_POLICY" not in os.environ:  # another way to say the same
        os.environ.setdefault(SPIN_VARIABLE, SPIN_COUNT)
    mindspore_version = _installed_version("mindspore")
    if _major_minor(mindspore_version) in SLOW_CONVOLUTION_VERSIONS and ONEDNN_VARIABLE not in os.environ:
        os.environ[ONEDNN_VARIABLE] = ONEDNN_ISA
        if "mindspore" in sys.modules:
            _warn_imported_late(mindspore_version)


def _warn_imported_late(mindspore_version: str) -> None:
    # oneDNN reads the variable at its first convolution or matrix product, not at import, so it is often not too late.
    warnings.warn(
        f"mindspore {mindspore_version} was imported before mindrcnn. {ONEDNN_VARIABLE}={ONEDNN_ISA} has been set now, "
        "but if a convolution or matrix product has already run in this process, convolutions can stay 100 times "
        f"slower. Import mindrcnn before mindspore, or set {ONEDNN_VARIABLE} before starting Python.",
        RuntimeWarning,
        stacklevel=4,  # the user's import of mindrcnn
    )


def _require_supported_numpy() -> None:
    numpy_version = _installed_version("numpy")
    if _major_minor(numpy_version) >= FIRST_UNSUPPORTED_NUMPY:
        raise ImportError(
            f"mindrcnn: wanted NumPy below 2, because MindSpore's tensor arithmetic fails with NumPy 2; "
            f"got NumPy {numpy_version}. Run: {sys.executable} -m pip install 'numpy<2'"
        )


def _installed_version(distribution: str) -> str:
    """Returns the version from the name of the package's metadata folder; empty if there is none.

    importlib.metadata would say the same, but importing it takes longer than the rest of this package's start.
    """
    folder_name = re.compile(rf"{distribution}-(.+)\.dist-info", re.IGNORECASE)
    for place in sys.path:
        with suppress(OSError):  # an archive, or a folder that is gone
            for name in os.listdir(place or "."):
                if found := folder_name.fullmatch(name):
                    return found[1]
    return ""


def _major_minor(text: str) -> tuple[int, int]:
    """Returns (2, 10) for '2.10.0rc1'; (0, 0) for text that does not start with two numbers."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
