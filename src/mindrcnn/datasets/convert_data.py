"""The export of an annotation tool written as COCO JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.data.formats.auto import TITLES, TOOLS, AutoFormat
from mindrcnn.data.formats.coco.reader import read_opened
from mindrcnn.data.formats.format import locate_given
from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.tools.tool_format import report_rows
from mindrcnn.errors import InputError
from mindrcnn.outputs import Output, protect

LINES = """data:
  root: {images}
  train: {{annotations: {out}, images: .}}
"""


def convert_data(source: Path, out: Path, *, split: str, options: SplitFiles, force: bool = False) -> str:
    """Writes a split as COCO JSON, in which image names are relative to the export's image folder.

    Returns what it did and the lines of a configuration, as text.

    Args:
        source: The export: its folder or its annotations.
        out: COCO JSON to write.
        split: Name of the split, for an export that has several.
        options: `class_attribute` and `skip_missing`; its files are not used.
        force: Whether files of others may be replaced.

    Raises:
        InputError: The export is not recognised, is COCO or has a mistake, or `out` cannot be written.
    """
    files = replace(
        locate_given(AutoFormat(), source, split),
        class_attribute=options.class_attribute,
        skip_missing=options.skip_missing,
    )
    tool = next((one for one in TOOLS if one.name == files.format), None)
    if tool is None:
        raise InputError(f"{files.annotations}: wanted the export of a tool, got {TITLES[files.format]}, which is read")
    protect([Output(out)], inputs=[files.annotations], force=force)
    with replacing(out) as temporary, open(temporary, "w+b") as file:
        report_rows(files, tool.convert(files, file))
        file.seek(0)
        dataset = read_opened(
            files.annotations,
            file,
            images=files.images,
            classes=(),
            ignore_other_categories=False,
            skip_missing=files.skip_missing,
        )
    objects = sum(len(record.labels) for record in dataset.records)
    images = paths.resolve(files.images)
    return (
        f"{files.annotations} is {tool.title}\n"
        f"{out}: {len(dataset.records)} images, {objects} objects, {len(dataset.classes)} classes\n\n"
        + LINES.format(images=images, out=paths.resolve(out))
    )
