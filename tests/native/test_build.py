"""Build of the kernels' library: the cache, its key, failures, and processes that start at the same time.

The compiler is a stand-in, which is faster and counts its calls.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mindrcnn.cache import cache_folder
from mindrcnn.errors import InputError
from mindrcnn.native import build as build_module
from mindrcnn.native.build import build
from mindrcnn.trusted_files import checksum_file

# A call that asks for the macros prints some; a call that links writes the file after -o, in two halves.
COMPILER = """#!/bin/sh
case "$*" in
    *-dM*) echo "#define VERSION $FAKE_VERSION"; exit 0 ;;
esac
echo linked >>"$FAKE_LOG"
if [ -n "$FAKE_ERROR" ]; then echo "$FAKE_ERROR" >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
printf half >"$2"
sleep "${FAKE_SECONDS:-0}"
printf whole >>"$2"
"""


class Compiler:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "fake-g++"
        self.log = folder / "calls.log"
        self.path.write_text(COMPILER)
        self.path.chmod(0o755)

    @property
    def links(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    fake = Compiler(tmp_path)
    monkeypatch.setenv("CXX", str(fake.path))
    monkeypatch.setenv("FAKE_LOG", str(fake.log))
    monkeypatch.setenv("FAKE_VERSION", "1")
    monkeypatch.delenv("MINDRCNN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return fake


def test_the_package_carries_the_sources() -> None:
    files = {path.suffix for path in build_module.FOLDER.iterdir() if path.is_file()} - {".py"}
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert {".cc", ".h"} == files
    assert '"native/kernels/*.cc", "native/kernels/*.h"' in text


def test_a_library_is_built_once(compiler: Compiler, tmp_path: Path) -> None:
    first = build()
    assert first.read_text() == "halfwhole"
    assert tmp_path / "cache" / "mindrcnn" in first.parents
    assert build() == first
    assert compiler.links == 1


def test_another_compiler_source_or_mindspore_gets_a_library_of_its_own(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = [build()]
    monkeypatch.setenv("FAKE_VERSION", "2")
    libraries.append(build())
    copy = tmp_path / "copy"
    shutil.copytree(build_module.FOLDER, copy)
    monkeypatch.setattr(build_module, "FOLDER", copy)
    assert build() == libraries[-1]  # the place of the sources does not matter
    (copy / "nms.h").write_text("// changed\n")
    libraries.append(build())
    monkeypatch.setattr(build_module, "version", lambda name: "2.99")
    libraries.append(build())
    assert len(set(libraries)) == 4
    assert compiler.links == 4


def test_processes_that_start_at_once_compile_once(compiler: Compiler) -> None:
    command = [sys.executable, "-m", "mindrcnn", "build-kernels"]
    environment = {**os.environ, "FAKE_SECONDS": "0.5"}
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    paths = [process.communicate(timeout=600)[0].strip() for process in processes]
    assert {process.returncode for process in processes} == {0}
    assert len(set(paths)) == 1
    assert Path(paths[0]).read_text() == "halfwhole"
    assert compiler.links == 1


def test_a_failed_compilation_leaves_no_library_and_is_tried_again(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ERROR", "nms.cc:7: error: no such thing")
    with pytest.raises(InputError, match=r"fake-g\+\+ could not compile the native kernels: nms.cc:7: error"):
        build()
    assert list(cache_folder("native").rglob("*.so")) == []
    monkeypatch.setenv("FAKE_ERROR", "")
    assert build().read_text() == "halfwhole"


def test_a_half_written_library_of_a_killed_process_is_not_used(compiler: Compiler) -> None:
    library = build()
    library.rename(library.with_name(".libmindrcnn.partial.so"))
    assert build().read_text() == "halfwhole"
    assert compiler.links == 2


def test_no_compiler(compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("CXX")
    with pytest.raises(InputError, match=r"wanted a C\+\+17 compiler.* got no g\+\+"):
        build()


def test_a_cache_that_cannot_be_written(compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot create the folder .*file/mindrcnn"):
        build()


def test_the_program_reports_a_failure(compiler: Compiler) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "mindrcnn", "build-kernels"],
        env={**os.environ, "FAKE_ERROR": "no"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.endswith("could not compile the native kernels: no\n")


def test_a_library_that_is_cut_is_built_again(compiler: Compiler) -> None:
    library = build()
    os.truncate(library, 4)
    assert build() == library
    assert (library.read_text(), compiler.links) == ("halfwhole", 2)
    checksum_file(library).unlink()
    build()
    assert compiler.links == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_library_of_another_user_is_built_again(compiler: Compiler) -> None:
    library = build()
    os.chown(library, 12345, 12345)
    build()
    assert (library.stat().st_uid, compiler.links) == (0, 2)
    os.chown(library.parent, 12345, 12345)
    with pytest.raises(InputError, match="wanted a folder of this user or of root, got one of user 12345"):
        build()


def test_others_cannot_write_the_library_whatever_the_umask(compiler: Compiler) -> None:
    before = os.umask(0)
    try:
        library = build()
    finally:
        os.umask(before)
    assert (library.parent.stat().st_mode & 0o777, library.stat().st_mode & 0o777) == (0o700, 0o700)
    library.chmod(0o777)
    library.parent.chmod(0o777)
    build()
    assert (library.parent.stat().st_mode & 0o777, library.stat().st_mode & 0o777) == (0o700, 0o700)
    assert compiler.links == 2


def test_a_link_in_the_place_of_the_library_is_not_followed(compiler: Compiler, tmp_path: Path) -> None:
    library = build()
    library.rename(tmp_path / "elsewhere.so")
    library.symlink_to(tmp_path / "elsewhere.so")
    build()
    assert not library.is_symlink()
    assert compiler.links == 2
