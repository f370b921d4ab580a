"""LVIS: COCO JSON whose images are named by their URLs and of which some classes are not annotated in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.data.federation import FREQUENCIES, Federation
from mindrcnn.data.formats.coco.columns import TABLES, read_blocks
from mindrcnn.data.formats.json_head import JsonHead, read_json_head
from mindrcnn.data.formats.layout import SplitFiles, image_folder, lvis_name, split_names
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.formats.tools.files import any_json
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value

ABSENT, INCOMPLETE = "neg_category_ids", "not_exhaustive_category_ids"
VERSIONS = ("lvis_v1", "lvis_v0.5")


class LvisFormat(ToolFormat):
    """One JSON file, beside the folders of COCO's images.

    A class that the file says is not annotated in full in an image has a crowd there, which covers the image: what is
    found of it counts neither way in training. Evaluation takes both lists of each image, and the frequency of each
    class, from `federation`.
    """

    name = "lvis"
    has_masks = True
    title = "LVIS JSON"

    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the split's files of either version."""
        return [
            folder / f"{version}_{short}.json"
            for short in split_names(name)
            for version in VERSIONS
            for folder in (root, root / "annotations")
        ]

    def annotations_at(self, path: Path) -> Path | None:
        """Returns the file if its images are LVIS's."""
        return any_json([path], is_lvis) if paths.is_file(path) else None

    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns the folder that holds train2017 and the like."""
        return image_folder(root, "", annotations)

    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds the rows of the file with names for its images, and its incomplete classes as crowds."""
        with paths.open_file(files.annotations) as file:
            categories: dict[int, str] = {}
            absent: dict[int, tuple[int, ...]] = {}
            incomplete: dict[int, tuple[int, ...]] = {}
            frequency: dict[int, str] = {}
            for table, block in read_blocks(files.annotations, file):
                columns = block.columns
                if table == TABLES[0]:
                    columns.ids("id")
                    for row in columns.rows:
                        absent[row["id"]] = _listed(files.annotations, row, ABSENT)
                        incomplete[row["id"]] = _listed(files.annotations, row, INCOMPLETE)
                        _add_image(files.annotations, row, incomplete[row["id"]], rows)
                elif table == TABLES[1]:
                    for row in columns.rows:
                        rows.object_row(row)
                else:
                    categories |= zip(columns.ids("id").tolist(), columns.texts("name"), strict=True)
                    frequency |= _frequencies(files.annotations, columns.rows)
            rows.give_categories(categories)
            rows.federation = Federation(absent, incomplete, frequency)


def is_lvis(head: JsonHead) -> bool:
    """Says whether a file lists images as LVIS does."""
    row = head.row("images")
    named = "coco_url" in row and "file_name" not in row
    return named or INCOMPLETE in row or ABSENT in row


def looks_like_lvis(path: Path) -> bool:
    """Says whether a file is LVIS's by its beginning."""
    head = read_json_head(path)
    return head is not None and is_lvis(head)


def _listed(path: Path, row: Mapping[str, Any], key: str) -> tuple[int, ...]:
    """Returns the category ids that an image lists. Raises InputError for anything else."""
    listed = row.get(key) or ()
    if not isinstance(listed, list | tuple):
        raise InputError(f"{path}: image id {row['id']}: {key}: wanted a list of ids, got {quote_value(listed)}")
    for category in listed:
        if not isinstance(category, int):
            raise InputError(f"{path}: image id {row['id']}: {key}: wanted ids, got {quote_value(category)}")
    return tuple(listed)


def _frequencies(path: Path, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Returns the frequency of each category that states it. Raises InputError for an unknown one."""
    found = {row["id"]: row["frequency"] for row in rows if "frequency" in row}
    for category, frequency in found.items():
        if frequency not in FREQUENCIES:
            wanted = " or ".join(FREQUENCIES)
            got = quote_value(frequency)
            raise InputError(f"{path}: category id {category}: frequency: wanted {wanted}, got {got}")
    return found


def _add_image(path: Path, row: Mapping[str, Any], incomplete: Sequence[int], rows: CocoRows) -> None:
    name = row.get("file_name") or lvis_name(dict(row))
    if not name:
        rows.malformed(InputError(f"{path}: image id {row['id']}: wanted file_name or coco_url, got neither"))
        return
    rows.image_row({key: row[key] for key in ("id", "height", "width") if key in row} | {"file_name": name})
    for category in incomplete:
        rows.object_row(
            {
                "id": -1 - rows.objects,  # the file's own ids are positive
                "image_id": row["id"],
                "category_id": category,
                "bbox": [0, 0, row.get("width"), row.get("height")],
            },
            crowd=True,
        )
