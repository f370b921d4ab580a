"""The images of a COCO file that exist in its folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path, PureWindowsPath

import numpy as np

from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.formats.coco.growing_array import Texts
from mindrcnn.data.formats.coco.tables import Objects, Pictures, Tables
from mindrcnn.data.formats.image_files import missing_images
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

logger = logging.getLogger(__name__)

SHOWN = 3  # names in a message


def present_tables(tables: Tables, *, folder: Path, skip_missing: bool, findings: Findings | None = None) -> Tables:
    """Returns the tables with the images that exist in `folder`.

    If none exists under the path that the file gives, their names alone are looked for: some tools write the paths of
    another machine.

    tables: the tables of a file.
    folder: the folder that image names are relative to.
    skip_missing: whether absent images, and their objects, are left out.
    findings: receives the absent images; without it, they raise InputError unless they are left out.
    """
    tables, missing = _named(tables, folder)
    if not missing:
        return tables
    count = len(tables.pictures.ids)
    first = shorten([folder / name for name in missing], SHOWN)
    if findings is not None:
        kind = Kind.SKIPPED if skip_missing else Kind.MISSING
        findings.add_all(kind, (str(folder / name) for name in missing), len(missing))
    elif not skip_missing or len(missing) == count:
        raise InputError(f"{tables.path}: {len(missing)} of {count} listed images are absent: {first}")
    else:
        logger.warning(
            "%s: %d of %d listed images are absent and left out: %s", tables.path, len(missing), count, first
        )
    return without_images(tables, missing) if skip_missing else tables


def without_images(tables: Tables, names: Sequence[str]) -> Tables:
    """Returns the tables without these images and their objects."""
    pictures, objects = tables.pictures, tables.objects
    absent = {os.fsencode(name) for name in names}
    kept = np.fromiter((name not in absent for name in pictures.names), dtype=bool, count=len(pictures.ids))
    gone = set(pictures.ids[~kept].tolist())
    rows = np.fromiter((one not in gone for one in objects.image_ids.tolist()), dtype=bool, count=len(objects.ids))
    columns = {item.name: getattr(objects, item.name)[rows] for item in fields(Objects) if item.name != "problems"}
    return replace(
        tables,
        pictures=Pictures(
            Texts(name for name, keep in zip(pictures.names, kept, strict=True) if keep),
            pictures.ids[kept],
            pictures.sizes[kept],
        ),
        objects=Objects(objects.problems, **columns),
    )


def _named(tables: Tables, folder: Path) -> tuple[Tables, list[str]]:
    """Returns the tables, with the last part of each name if only that exists, and the names that do not exist."""
    names = [os.fsdecode(name) for name in tables.pictures.names]
    missing = missing_images(names, folder=folder)
    if not missing or len(missing) < len(names):
        return tables, missing
    last = [PureWindowsPath(name).name for name in names]  # of paths with either slash
    if len(set(last)) < len(last):
        return tables, missing
    still_missing = missing_images(last, folder=folder)
    if len(still_missing) == len(last):
        return tables, missing
    logger.info("%s: images are found in %s by the last part of their paths", tables.path, folder)
    pictures = replace(tables.pictures, names=Texts(os.fsencode(name) for name in last))
    return replace(tables, pictures=pictures), still_missing
