"""The files beside the shards of a MindRecord folder: `index.json`, and the columns of each shard.

index.json is written last, so a folder that has it is complete. The columns (`SHARD.npz`) are what training keeps in
memory: sizes, boxes, labels, and the position of each image and mask in the shard.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.atomic import replacing, write_text
from mindrcnn.errors import InputError

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
    try:
        content = json.loads(paths.read_text(path, "index of a finished conversion (mindrcnn mindrecord)"))
        if content["format"] == FORMAT and content["version"] != VERSION:
            raise InputError(
                f"{path}: wanted version {VERSION} of the format, got version {content['version']}: convert again"
            )
        if content["format"] == FORMAT:
            return Manifest(
                source=content["source"],
                classes=tuple(content["classes"]),
                category_ids=tuple(content["category_ids"]),
                shards=tuple(ShardEntry(**shard) for shard in content["shards"]),
            )
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path}: wanted the index of converted data, got something else or a damaged file")


def columns_file(shard: Path) -> Path:
    """Returns the path of a shard's columns."""
    return shard.with_suffix(".npz")


def write_columns(shard: Path, entry: ShardEntry, source: str, columns: dict[str, np.ndarray]) -> None:
    """Writes the columns of a finished shard, which mark it as finished."""
    about = np.array(json.dumps({"version": VERSION, "source": source, **asdict(entry)}))
    with replacing(columns_file(shard)) as temporary:
        np.savez(temporary, about=about, **columns)


def read_columns(shard: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns the description of a shard, and its columns. Raises InputError if they are missing or damaged."""
    path = columns_file(shard)
    try:
        with paths.open_file(path) as file, np.load(file) as content:
            columns = {name: content[name] for name in content.files}
        return json.loads(str(columns.pop("about"))), columns
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: wanted the columns of a shard, got a damaged file: {error}") from error
