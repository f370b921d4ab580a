"""The files beside the shards of a MindRecord folder: `index.json`, and the columns of each shard.

index.json is written last, so a folder that has it is complete. The columns (`SHARD.npz`) are what training keeps in
memory: sizes, boxes, labels, and the position of each image and mask in the shard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.atomic import replacing, write_text
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.outputs import read_head
from mindrcnn.untrusted.archive import read_npz
from mindrcnn.untrusted.failures import READ_ERRORS
from mindrcnn.untrusted.json_text import parse_json
from mindrcnn.untrusted.numbers import is_whole

INDEX = "index.json"
FORMAT, VERSION = "mindrcnn-mindrecord", 1


@dataclass(frozen=True)
class ShardEntry:
    """One shard; `bytes` and the checksums are of the MindRecord file and of its index, FILE.db."""

    file: str
    images: int
    objects: int
    bytes: int
    sha256: str
    index_bytes: int
    index_sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of index.json. `source` identifies the annotations that were converted."""

    source: str
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    shards: tuple[ShardEntry, ...]

    @property
    def images(self) -> int:
        """Number of images of all shards."""
        return sum(shard.images for shard in self.shards)

    @property
    def objects(self) -> int:
        """Number of objects of all shards."""
        return sum(shard.objects for shard in self.shards)


def is_index(path: Path) -> bool:
    """Says whether a file looks like an index.json that a conversion wrote."""
    return f'"format": {json.dumps(FORMAT)}'.encode() in read_head(path)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes index.json whole or not at all."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "images": manifest.images,
        "objects": manifest.objects,
        **asdict(manifest),
    }
    write_text(folder / INDEX, json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Reads index.json. Raises InputError if it is missing (conversion not finished), damaged or of another version."""
    path = folder / INDEX
    text = paths.read_bytes(path, "index of a finished conversion (mindrcnn mindrecord)")
    try:
        content = parse_json(text, path)
    except InputError as error:
        raise InputError(
            f"{path}: wanted the index of converted data, got something else or a damaged file ({error})"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: wanted the index of converted data, got something else or a damaged file")
    if content.get("version") != VERSION:
        raise InputError(
            f"{path}: wanted version {VERSION} of the format, got version {quote_value(content.get('version'))}: "
            "convert again"
        )
    return _manifest(path, content)


def _manifest(path: Path, content: dict[str, Any]) -> Manifest:
    """Returns the manifest of checked fields."""
    for key, (wanted, is_good) in _FIELDS.items():
        if not is_good(content.get(key)):
            raise InputError(f"{path}: {key}: wanted {wanted}, got {quote_value(content.get(key))}: convert again")
    if len(content["classes"]) != len(content["category_ids"]):
        raise InputError(f"{path}: wanted as many classes as category_ids, got a damaged file: convert again")
    return Manifest(
        source=content["source"],
        classes=tuple(content["classes"]),
        category_ids=tuple(content["category_ids"]),
        shards=tuple(ShardEntry(**shard) for shard in content["shards"]),
    )


def _are_different(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values) and len(set(values)) == len(values)


def _are_shards(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_is_shard, values))


def _is_shard(value: object) -> bool:
    """Says whether a value has the fields of a ShardEntry, and names a file of the folder itself."""
    if not isinstance(value, dict) or set(value) != {one.name for one in fields(ShardEntry)}:
        return False
    counts = ("images", "objects", "bytes", "index_bytes")
    texts = ("file", "sha256", "index_sha256")
    if not all(is_whole(value[key], 0) for key in counts) or not all(isinstance(value[key], str) for key in texts):
        return False
    return bool(_FILE.fullmatch(value["file"]))


_FILE = re.compile(r"[^/\0\ud800-\udfff]{1,200}\.mindrecord")
_FIELDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "source": ("a text", lambda value: isinstance(value, str)),
    "classes": ("a list of different names", lambda value: _are_different(value, str) and bool(value)),
    "category_ids": ("a list of different whole numbers", lambda value: _are_different(value, int)),
    "shards": ("a list of shards with their files, sizes and checksums", _are_shards),
}


def columns_file(shard: Path) -> Path:
    """Returns the path of a shard's columns."""
    return shard.with_suffix(".npz")


def are_columns(path: Path) -> bool:
    """Says whether a file looks as `write_columns` writes it."""
    return b"about.npy" in read_head(path)


def write_columns(shard: Path, entry: ShardEntry, source: str, columns: dict[str, np.ndarray]) -> None:
    """Writes the columns of a finished shard, which mark it as finished."""
    about = np.array(json.dumps({"version": VERSION, "source": source, **asdict(entry)}))
    with replacing(columns_file(shard)) as temporary:
        np.savez(temporary, about=about, **columns)


def read_columns(shard: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns the description of a shard, and its columns. Raises InputError if they are missing or damaged."""
    path = columns_file(shard)
    with paths.open_file(path) as file:
        try:
            columns = read_npz(file)
            about = parse_json(str(columns.pop("about")), path)
        except OSError as error:
            raise paths.refusal(path, error) from error
        except (*READ_ERRORS, InputError) as error:
            raise InputError(f"{path}: wanted the columns of a shard, got a damaged file: {error}") from error
    if not isinstance(about, dict):
        raise InputError(f"{path}: wanted the columns of a shard, got a damaged file")
    return about, columns
