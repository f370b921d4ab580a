"""Compilation of the kernels into the user's cache, once per source, compiler, processor and MindSpore version.

It happens at first use, or beforehand with `mindrcnn build-kernels`. The library is cached: see cache.py. The
compiler is $CXX, or g++.
"""

import hashlib
import logging
import os
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mindrcnn.atomic import locked
from mindrcnn.cache import cache_folder
from mindrcnn.errors import InputError
from mindrcnn.trusted_files import is_sound, keeping, prepare_folder

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "kernels"

# No contraction to fused multiply-adds: overlaps are compared with thresholds and with each other, so they must be
# rounded exactly as in the portable operators.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fopenmp",
    "-fvisibility=hidden",
    "-fPIC",
)


def build() -> Path:
    """Returns the library for this machine, compiled first if it is not in the cache. Raises InputError on failure."""
    compiler = find_compiler()
    library = cache_folder("native") / key(compiler) / "libmindrcnn.so"
    prepare_folder(library.parent)
    if is_sound(library):
        return library
    with locked(library.parent):
        if not is_sound(library):  # another process may have built it while this one waited
            logger.info("compiling the native kernels, once for this machine, into %s", library)
            with keeping(library) as temporary:
                _run([compiler, *FLAGS, "-shared", *map(str, sources()), "-o", str(temporary)])
    return library


def sources() -> list[Path]:
    """Returns the files to compile; they include the headers in the same folder."""
    return sorted(FOLDER.glob("*.cc"))


def find_compiler() -> str:
    """Returns the path of the compiler. Raises InputError if there is none."""
    name = os.environ.get("CXX") or "g++"
    found = shutil.which(name)
    if found is None:
        raise InputError(f"wanted a C++17 compiler, GCC 10 or newer, on PATH or named by CXX; got no {name}")
    return found


def key(compiler: str) -> str:
    """Returns a key that changes with everything the library depends on.

    The macros that a compiler predefines contain its version and, with -march=native, every instruction set of the
    processor, so one cache can serve different machines.
    """
    digest = hashlib.sha256()
    digest.update(_run([compiler, *FLAGS, "-E", "-dM", "-x", "c++", os.devnull]))
    for part in (*FLAGS, _mindspore_version()):
        digest.update(part.encode() + b"\0")
    for path in sorted([*sources(), *FOLDER.glob("*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _mindspore_version() -> str:
    """Returns the version; empty where only exported models are used."""
    try:
        return version("mindspore")
    except PackageNotFoundError:
        return ""


def _run(command: list[str]) -> bytes:
    """Returns the standard output of a compiler call. Raises InputError with the compiler's message on failure."""
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if process.returncode != 0:
        message = process.stderr.decode(errors="replace").strip()[:2000]
        raise InputError(f"{command[0]} could not compile the native kernels: {message}")
    return process.stdout
