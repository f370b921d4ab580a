"""Compilation of the kernels into the user's cache, once per source, compiler, processor and MindSpore version.

It happens at first use, or beforehand with `mindrcnn build-kernels`. The library is cached: see cache.py. The
compiler is $CXX, or g++.
"""

import hashlib
import logging
import os
import shutil
import stat
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import locked, replacing, write_text
from mindrcnn.cache import cache_folder
from mindrcnn.errors import InputError
from mindrcnn.hashing import file_sha256

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


_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


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
            with replacing(library) as temporary:
                _run([compiler, *FLAGS, "-shared", *map(str, sources()), "-o", str(temporary)])
                os.chmod(temporary, stat.S_IRWXU)
                digest = file_sha256(temporary).hex()
            write_text(checksum_file(library), digest)
    return library


def prepare_folder(folder: Path) -> None:
    """Creates the library's folder for its user alone. Raises InputError if it belongs to somebody else."""
    paths.make_folder(folder.parent)
    try:
        folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        status = folder.stat()
        if not _is_own(status):
            raise InputError(f"{folder}: wanted a folder of this user or of root, got one of user {status.st_uid}")
        if status.st_mode & _OTHERS_WRITE:
            folder.chmod(stat.S_IRWXU)
    except OSError as error:
        raise InputError(f"cannot create the folder {folder}: {error.strerror or error}") from error


def is_sound(library: Path) -> bool:
    """Tells whether a library is what was built: whole, of this user or root, and not to be written by others.

    One that is cut would end the process with SIGBUS, and one that somebody else wrote runs what they like.
    """
    try:
        status = library.lstat()
        if not stat.S_ISREG(status.st_mode) or not _is_own(status) or status.st_mode & _OTHERS_WRITE:
            return False
        return paths.read_text(checksum_file(library)) == file_sha256(library).hex()
    except (InputError, OSError):
        return False


def checksum_file(library: Path) -> Path:
    """Returns the file beside a library that holds its SHA-256."""
    return library.with_suffix(".sha256")


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


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
