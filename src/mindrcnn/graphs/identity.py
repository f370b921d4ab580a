"""The identity of a graph: a digest that changes with everything from which MindSpore compiles it.

MindSpore's own cache compares the text of some source files and nothing else, so it can return the graph of another
configuration or another shape. Here the whole tree of cells is read instead: classes, settings, constants, names and
shapes of parameters. What cannot be read makes a graph that is not kept.
"""

import enum
import functools
import hashlib
import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn
from mindspore.communication import GlobalComm, get_group_size, get_rank
from mindspore.ops import Primitive

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.native.library import library
from mindrcnn.native.switch import in_use

PACKAGE = "mindrcnn"
_READ_ELSEWHERE = ("mindspore", "numpy", PACKAGE)  # by their version or, this package, by all of its sources
# MindSpore's bookkeeping in a cell, apart from what decides how the cell is compiled.
_COMPILED = {
    "_amp_level",
    "_buffers",
    "_cells",
    "_in_strategy",
    "_jit_config_dict",
    "_out_strategy",
    "_params",
    "_primitives",
    "_recompute_cell",
    "has_bprop",
    "mixed_precision_type",
    "requires_grad",
    "training",
}
# A text with addresses of objects, what a CompiledCell has compiled, and what MindSpore notes when it compiles a cell.
_ADDED = {
    *("_cell_init_args", "compiled_shapes"),
    *("current_phase", "sequence_modified", "__compile_cell_hook__", "__parse_method__"),
}
_TYPES = "mindspore._c_expression.typing"
_CONTEXT = (
    *("device_target", "mode", "deterministic", "jit_syntax_level", "max_call_depth", "enable_graph_kernel"),
    *("jit_level", "jit_config"),
)
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), slice, np.dtype, np.generic)


class UnknownPart(Exception):
    """Something of which it cannot be told whether it is the same in another process."""


def graph_key(cell: nn.Cell, arguments: Iterable[Tensor]) -> str | None:
    """Returns the digest of the graph that `cell` is compiled to for arguments of these shapes.

    None if a part of the cell cannot be told apart from another.
    """
    reader = _Reader()
    try:
        reader.read([(tuple(value.shape), str(value.dtype)) for value in arguments])
        reader.read(_surroundings())
        reader.read(cell)
        for name in sorted(reader.outside):
            reader.read(_outside_digest(name))
    except (UnknownPart, InputError):  # the latter: a source that is no longer there
        return None
    return reader.digest.hexdigest()


def _surroundings() -> list[Any]:
    """Returns what decides beside the cell: versions, sources, kernels, MindSpore's settings, place in the job."""
    place = (get_rank(), get_group_size()) if GlobalComm.INITED else (0, 1)
    settings = sorted((name, value) for name, value in os.environ.items() if name.startswith(("MS_DEV_", "MS_JIT")))
    return [
        version("mindspore"),
        sys.version,
        _package_digest(),
        library() if in_use() else "",
        [str(ms.get_context(name)) for name in _CONTEXT],
        settings,
        place,
    ]


class _Reader:
    """Feeds a digest with values, objects by what they are made of.

    outside: names of the modules, not MindSpore's nor this package's, whose classes and functions were met.
    """

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.outside: set[str] = set()
        self._met: dict[int, int] = {}  # objects by the order in which they were met, for those met again
        self._kept: list[Any] = []  # so that no id is given to a second object

    def read(self, value: Any) -> None:
        """Adds a value. Raises UnknownPart if it has parts that cannot be read."""
        if isinstance(value, _PLAIN):
            self._add(type(value).__name__, repr(value))
        elif isinstance(value, enum.Enum) or type(value).__module__.startswith(_TYPES) or hasattr(value, "__members__"):
            self._add(type(value).__name__, str(value))  # the last are enumerations of C++
        elif id(value) in self._met:
            self._add("met", str(self._met[id(value)]))
        else:
            self._met[id(value)] = len(self._met)
            self._kept.append(value)
            self._read_new(value)

    def _read_new(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            self._add(type(value).__name__, str(len(value)))
            for part in value:
                self.read(part)
        elif isinstance(value, dict):
            self._read_pairs("dict", value)
        elif isinstance(value, set | frozenset):
            self._read_pairs("set", {repr(part): part for part in value})
        elif isinstance(value, Parameter):
            self._add("Parameter", value.name, str(value.dtype), str(tuple(value.shape)), str(value.requires_grad))
        elif isinstance(value, Tensor):
            self._read_array("Tensor", value.asnumpy())
        elif isinstance(value, np.ndarray):
            self._read_array("array", value)
        elif isinstance(value, type):
            self._read_name(value)
        elif isinstance(value, functools.partial):
            self.read([value.func, value.args, value.keywords])
        elif isinstance(value, types.MethodType):
            self.read([value.__func__, value.__self__])
        elif isinstance(value, types.FunctionType):
            self._read_function(value)
        elif isinstance(value, types.BuiltinFunctionType):
            self._add("builtin", str(value.__module__), value.__qualname__)
        elif isinstance(value, types.ModuleType):
            self._add("module", value.__name__)
        else:
            self._read_object(value)

    def _read_object(self, value: Any) -> None:
        self._read_name(type(value))
        if isinstance(value, nn.Cell):
            self._read_pairs("cell", dict(pair for pair in vars(value).items() if _is_compiled(*pair)))
        elif isinstance(value, Primitive):
            self._add("primitive", value.name)
            self._read_pairs("attributes", dict(value.attrs))
            self._read_pairs("own", {name: part for name, part in vars(value).items() if not name.startswith("_")})
        elif hasattr(value, "__dict__") and not type(value).__module__.startswith("mindspore._c_expression"):
            self._read_pairs("object", vars(value))
        elif hasattr(value, "__slots__"):
            names = [name for name in value.__slots__ if hasattr(value, name)]
            self._read_pairs("slots", {name: getattr(value, name) for name in names})
        else:
            raise UnknownPart(type(value))

    def _read_pairs(self, kind: str, pairs: dict[Any, Any]) -> None:
        self._add(kind, str(len(pairs)))
        for name, part in sorted(pairs.items(), key=lambda pair: repr(pair[0])):
            self._add(repr(name))
            self.read(part)

    def _read_array(self, kind: str, array: np.ndarray) -> None:
        self._add(kind, str(array.dtype), str(array.shape))
        self.digest.update(np.ascontiguousarray(array).tobytes())

    def _read_function(self, function: types.FunctionType) -> None:
        self._read_name(function)
        code = function.__code__  # several functions without a name have the same qualified one
        self._add(str(code.co_firstlineno), code.co_code.hex())
        held = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        if function.__module__.startswith("mindspore."):
            held.pop("hash_obj", None)  # of `mindspore.jit`: an address
        self.read(function.__defaults__)
        self._read_pairs("held", {name: cell.cell_contents for name, cell in held.items()})

    def _read_name(self, named: Any) -> None:
        self._add("named", named.__module__, named.__qualname__)
        package, *_ = named.__module__.split(".")
        if package not in _READ_ELSEWHERE and package not in sys.stdlib_module_names:
            self.outside.add(named.__module__)

    def _add(self, *words: str) -> None:
        for word in words:
            self.digest.update(f"{len(word)}:{word}".encode())


def _is_compiled(name: str, part: Any) -> bool:
    """Tells whether an attribute of a cell decides what it is compiled to."""
    if name in _ADDED:
        return False
    if "hook" in name or name == "_func_graph_flags":  # empty from the first use on
        return bool(part)
    return name in _COMPILED or name not in _bookkeeping()


@functools.cache
def _bookkeeping() -> frozenset[str]:
    """Returns the names of the attributes that MindSpore gives every cell."""
    return frozenset(vars(nn.Cell()))


@functools.cache
def _package_digest() -> str:
    """Returns the digest of this package's sources."""
    return _files_digest(Path(__file__).parents[1].rglob("*.py"))


@functools.cache
def _outside_digest(name: str) -> str:
    """Returns the digest of the package of an outside module, and of all loaded modules that are not installed.

    Raises UnknownPart if the module has no file, as a notebook's.
    """
    package, *_ = name.split(".")
    file = getattr(sys.modules.get(package), "__file__", None)
    own = getattr(sys.modules.get(name), "__file__", None)
    if own is None:
        raise UnknownPart(name)
    found = set(Path(file).parent.rglob("*.py")) if file and Path(file).name == "__init__.py" else {Path(own)}
    return _files_digest(found | _modules_not_installed())


def _files_digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + paths.read_bytes(path))
    return digest.hexdigest()


def _modules_not_installed() -> set[Path]:
    """Returns the files of loaded modules outside the folders of the interpreter: what outside code may call."""
    installed = {Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib")}
    loaded = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = {Path(name) for name in loaded if name and name.endswith(".py")}
    return {file for file in files if not any(file.is_relative_to(folder) for folder in installed)}
