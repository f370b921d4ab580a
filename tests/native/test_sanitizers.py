"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mindrcnn.native.build import FOLDER, sources

# Conversion of a float that no integer can hold is not part of `undefined`, and what NaN and huge boxes would do.
SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow"
# -march=native: the vectors of the convolutions are as long as in the real library. -Wno-psabi: where they are longer
# than the processor's, how functions pass them depends on the compiler; all of them are inline.
FLAGS = [
    "-std=c++17", "-O1", "-g1", "-march=native", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-Wno-psabi",
    "-D_GLIBCXX_ASSERTIONS",
]  # fmt: skip


def test_no_complaint_about_boxes_of_all_kinds(tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    program = tmp_path / "sanitized"
    kernels = [str(path) for path in sources() if not path.name.startswith("entry_points")]
    main = str(Path(__file__).with_name("sanitizers.cc"))
    command = [compiler, *FLAGS, SANITIZERS, "-fno-sanitize-recover=all", f"-I{FOLDER}", main, *kernels]
    built = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True)
    if "cannot find" in built.stderr and "san" in built.stderr:
        pytest.skip("the compiler comes without its sanitizers' libraries")
    assert built.returncode == 0, built.stderr
    # The leak check needs ptrace, which containers often forbid. Threads that wait must not use up a busy machine.
    settings = {"ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    # AddressSanitizer replaces the allocator itself, and must be the first to do so.
    environment = {**os.environ, **settings, "LD_PRELOAD": ""}
    process = subprocess.run([str(program)], env=environment, capture_output=True, text=True, timeout=600)
    assert (process.returncode, process.stdout) == (0, "done\n"), process.stderr
