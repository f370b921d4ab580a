"""The configuration files that come with the package, and the search for one by name."""

import difflib
from glob import escape
from pathlib import Path, PurePath

from mindrcnn import paths
from mindrcnn.errors import InputError

PREFIX = "configs"  # of packaged names, and the folder's name in the repository and in the installed package
_FRAGMENTS = "_base_"  # a folder of parts, which are of no use by themselves
_NO_CONFIG = (".ckpt", ".pth", ".pt", ".pkl", ".npz", ".safetensors", ".onnx", ".mindir")
_NEAR = 3  # names in an error, at most
_ALIKE = 0.6  # difflib's ratio of a name that is offered, at least


def packaged_folder() -> Path:
    """Returns the folder inside the installed package or, for a package imported from a clone, the clone's own."""
    package = Path(__file__).resolve().parents[1]
    installed = package / PREFIX
    return installed if paths.is_folder(installed) else package.parents[1] / PREFIX


def find_packaged(name: str) -> Path | None:
    """Returns the packaged file of this name, with or without the prefix `configs/`; None if there is none."""
    parts = PurePath(name).parts
    if PurePath(name).is_absolute() or ".." in parts:
        return None
    path = packaged_folder().joinpath(*(parts[1:] if parts[:1] == (PREFIX,) else parts))
    return path if paths.is_file(path) else None


def find_config(path: Path) -> Path:
    """Returns the path itself if it exists, else the packaged file of that name.

    Raises:
        InputError: neither exists; the message has the nearest names.
    """
    path = paths.expand(path)
    if path.suffix in _NO_CONFIG:
        raise InputError(
            f"{path}: wanted a configuration file (YAML), got a file of weights; to start from it: "
            f"mindrcnn train CONFIG train.init_checkpoint={path}"
        )
    found = path if paths.exists(path) else find_packaged(str(path))
    if found is None:
        raise InputError(f"{path}: no such configuration file, neither on disk nor in the package{near_names(path)}")
    return found


def near_names(path: Path) -> str:
    """Returns the files beside a missing one and the packaged ones with similar names, as the end of a message."""
    folder = packaged_folder()
    packaged = [file.relative_to(folder) for file in paths.expand_pattern(f"{escape(str(folder))}/**/*.yaml")]
    names = [str(file) for file in paths.expand_pattern(f"{escape(str(path.parent))}/*.y*ml")]
    names += [str(PREFIX / file) for file in packaged if _FRAGMENTS not in file.parts]
    ratios = {name: max(_ratio(name, str(path)), _ratio(Path(name).name, path.name)) for name in names}
    near = [name for name in sorted(ratios, key=lambda name: -ratios[name]) if ratios[name] >= _ALIKE][:_NEAR]
    return f"; nearest: {', '.join(near)}" if near else ""


def _ratio(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first, second).ratio()
