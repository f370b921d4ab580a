"""The cache of compiled graphs.

MindSpore can write a graph that it has compiled to a file, and read it instead of compiling: it numbers the graphs of
a process, and looks for each number in one folder. That folder is temporary here. Before a graph is compiled, the file
of its identity is put there under the next number, and afterwards a new file is taken out. Once a process has had to
compile a graph, MindSpore reads no more files in it, and only writes them.
"""

import functools
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mindspore as ms
from mindspore.common import api
from mindspore.communication import GlobalComm, get_rank

from mindrcnn import paths
from mindrcnn.cache import cache_folder
from mindrcnn.errors import InputError
from mindrcnn.trusted_files import checksum_file, is_sound, keeping, prepare_folder

logger = logging.getLogger(__name__)

VARIABLE = "MINDRCNN_GRAPHS"  # the folder; 0 keeps no graphs
KEPT = 100  # graphs, of about a megabyte each; the ones not used for longest go first
_SUFFIX = ".mindir"
# MindSpore compares the sources that the program imports, which takes long and misses what is installed. It is given
# this one file instead, which imports nothing.
_SOURCE = Path(__file__).with_name("__init__.py")


class GraphCache:
    """The graphs kept in `folder`, for the graphs that this process compiles one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._exchange = tempfile.TemporaryDirectory(prefix="mindrcnn-graphs-")
        self._compiled = 0
        self._lost_count = False
        ms.set_context(compile_cache_path=self._exchange.name)

    @contextmanager
    def reusing(self, key: str) -> Iterator[None]:
        """Lets the one graph that is compiled inside the block be read from the cache, or be kept in it.

        After an exception it is not known which number MindSpore gives to the next graph, so the cache is used no more.
        """
        if self._lost_count:
            yield
            return
        kept = self.folder / f"{key}{_SUFFIX}"
        exchanged = self._prepare(kept)
        previous = api.entry_script_path
        api.entry_script_path = str(_SOURCE)
        ms.set_context(enable_compile_cache=True)
        self._lost_count = True
        try:
            yield
            self._lost_count = False
        finally:
            self._compiled += 1
            ms.set_context(enable_compile_cache=False)
            api.entry_script_path = previous
            api._cell_graph_executor._graph_executor.set_compile_cache_dep_files([])  # else the cache stays in use
            self._keep(exchanged, kept)

    def _prepare(self, kept: Path) -> Path:
        """Puts the kept file, if there is one, where MindSpore will look for it; returns that place."""
        rank, role = (get_rank(), os.environ.get("MS_ROLE", "")) if GlobalComm.INITED else (0, "")
        folder = Path(self._exchange.name) / f"rank_{rank}" / "graph_cache"
        exchanged = folder / f"{role}compile_cache_{self._compiled}{_SUFFIX}"
        with _optional():
            paths.make_folder(folder)
            (folder / f"{role}compile_dependency.hash").write_text(_sources_digest())
            if is_sound(kept):
                os.utime(kept)
                shutil.copyfile(kept, exchanged)
        return exchanged

    def _keep(self, exchanged: Path, kept: Path) -> None:
        """Takes a file that MindSpore has written into the cache."""
        with _optional():
            if not self._lost_count and paths.is_file(exchanged) and not is_sound(kept):
                prepare_folder(self.folder)
                with keeping(kept) as temporary:
                    shutil.copyfile(exchanged, temporary)
                self._remove_old()
            exchanged.unlink(missing_ok=True)

    def _remove_old(self) -> None:
        files = [path for path in paths.list_folder(self.folder) if path.suffix == _SUFFIX]
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[:-KEPT]:
            path.unlink(missing_ok=True)
            checksum_file(path).unlink(missing_ok=True)


@functools.cache
def graph_cache() -> GraphCache | None:
    """Returns the process's cache; None where graphs are not kept.

    They are not if that is switched off, on other devices than a CPU, and where MindSpore's cache is in use already.
    """
    chosen = os.environ.get(VARIABLE)
    in_use = ms.get_context("enable_compile_cache") or os.environ.get("MS_COMPILER_CACHE_ENABLE") == "1"
    if chosen == "0" or in_use or ms.get_context("device_target") != "CPU" or not hasattr(api, "entry_script_path"):
        return None
    try:
        return GraphCache(paths.expand(chosen) if chosen else cache_folder("graphs"))
    except (InputError, OSError) as error:
        logger.info("compiled graphs are not kept: %s", error)
        return None


@contextmanager
def _optional() -> Iterator[None]:
    """Logs an error of the file system, because without the cache a graph is only compiled again."""
    try:
        yield
    except (InputError, OSError) as error:
        logger.info("a compiled graph is not kept: %s", error)


def _sources_digest() -> str:
    """Returns what MindSpore computes of _SOURCE: the digest of the digests of all sources."""
    return hashlib.sha256(hashlib.sha256(_SOURCE.read_bytes()).hexdigest().encode()).hexdigest()
