"""The data format `auto`, which recognises the others by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.coco.format import CocoFormat
from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.formats.json_head import read_json_head
from mindrcnn.data.formats.layout import SplitFiles, require_root, split_files, split_names
from mindrcnn.data.formats.mindrecord.format import MindRecordFormat
from mindrcnn.data.formats.mindrecord.manifest import INDEX, is_index
from mindrcnn.data.formats.tools.cityscapes import CityscapesFormat
from mindrcnn.data.formats.tools.files import LOOKED_INTO, files_in
from mindrcnn.data.formats.tools.labelme import LabelmeFormat
from mindrcnn.data.formats.tools.lvis import LvisFormat, looks_like_lvis
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.data.formats.tools.via import ViaFormat
from mindrcnn.data.formats.tools.voc import VocFormat
from mindrcnn.data.formats.tools.yolo import YoloFormat
from mindrcnn.data.formats.txt_list import ROW_FORM, TxtFormat
from mindrcnn.data.formats.unsupported import describe_unsupported
from mindrcnn.data.record import Dataset
from mindrcnn.data.survey import Examination
from mindrcnn.errors import InputError

COCO, TXT, MINDRECORD = CocoFormat(), TxtFormat(), MindRecordFormat()
LVIS = LvisFormat()
# in the order of asking: the first whose layout and content fit is taken
TOOLS: tuple[ToolFormat, ...] = (LVIS, YoloFormat(), VocFormat(), LabelmeFormat(), ViaFormat(), CityscapesFormat())
_ALL: tuple[DataFormat, ...] = (COCO, TXT, MINDRECORD, *TOOLS)
KNOWN = {one.name: one for one in _ALL}
TITLES = {"coco": "COCO JSON", "txt": f"a TXT list of `{ROW_FORM}`", "mindrecord": "a folder of MindRecord files"} | {
    one.name: one.title for one in TOOLS
}


class AutoFormat:
    """Any of the formats; `locate` recognises it and states its name in the files it returns."""

    name = "auto"
    has_masks = True
    needs_annotations = ""

    def locate(self, *, root: Path, name: str, annotations: str, images: str) -> SplitFiles:
        """Returns the files of a split and the format that they have."""
        require_root(root)
        if annotations:
            return _at(root, name, annotations, images)
        return _by_name(root, name, images)

    def read(self, files: SplitFiles, *, classes: Sequence[str], ignore_other_categories: bool) -> Dataset:
        """Reads the split in its own format."""
        return KNOWN[files.format].read(files, classes=classes, ignore_other_categories=ignore_other_categories)

    def examine(
        self,
        files: SplitFiles,
        *,
        classes: Sequence[str],
        ignore_other_categories: bool,
        needs_masks: bool,
        findings: Findings,
    ) -> Examination:
        """Examines the split in its own format."""
        return KNOWN[files.format].examine(
            files,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            needs_masks=needs_masks,
            findings=findings,
        )


def _by_name(root: Path, name: str, images: str) -> SplitFiles:
    """Returns the files of a split that is found by its name. Raises InputError that says where it was looked for."""
    if not name:
        raise InputError(
            f"{root}: wanted a split's name or its annotations, got neither; `annotations: .` is the folder itself"
        )
    file = next((path for path in split_files(root, name) if paths.exists(path)), None)
    if file is not None and not (paths.is_file(file) and looks_like_lvis(file)):
        return replace(COCO.locate(root=root, name=name, annotations="", images=images), format=COCO.name)
    for tool in TOOLS:
        found = file if tool is LVIS and file is not None else tool.find(root, name)
        if found is not None:
            return replace(tool.files(root, name, found, images), format=tool.name)
    for short in split_names(name):
        for place in (root / short, root / f"{short}.json"):
            if paths.exists(place) and (found := _coco_at(place)) is not None:
                relative = str(found.relative_to(root))
                return replace(COCO.locate(root=root, name=name, annotations=relative, images=images), format=COCO.name)
    _refuse_unsupported([root / short for short in split_names(name)] + [root])
    return COCO.locate(root=root, name=name, annotations="", images=images)  # raises


def _at(root: Path, name: str, annotations: str, images: str) -> SplitFiles:
    """Returns the files of a split whose annotations are given. Raises InputError if they are of no known format."""
    path = root / annotations
    if not paths.exists(path):
        raise InputError(f"{path}: no such annotation file")
    if paths.is_folder(path):
        if paths.is_file(path / INDEX) and is_index(path / INDEX):
            located = MINDRECORD.locate(root=root, name=name, annotations=annotations, images=images)
            return replace(located, format=MINDRECORD.name)
    elif _is_list(path):
        located = TXT.locate(root=root, name=name, annotations=annotations, images=images)
        return replace(located, format=TXT.name)
    for tool in TOOLS:
        found = tool.annotations_at(path)
        if found is not None:
            return replace(tool.files(root, name, found, images), format=tool.name)
    file = _coco_at(path)
    if file is None:
        _refuse_unsupported([path])
        if paths.is_folder(path):
            known = ", ".join(KNOWN)
            raise InputError(f"{path}: wanted annotations of a known format ({known}), got a folder of something else")
    relative = annotations if file is None or file == path else str(Path(annotations) / file.name)
    return replace(COCO.locate(root=root, name=name, annotations=relative, images=images), format=COCO.name)


def _is_list(path: Path) -> bool:
    """Says whether a file is a TXT list: not of images alone, which ImageSets and YOLO have."""
    if path.suffix != ".txt" or not paths.is_file(path):
        return False
    with paths.open_file(path) as file:
        line = file.readline(1 << 16).decode("utf-8-sig", errors="replace")
    words = line.split()
    return bool(words) and "." in words[0] and all(word.count(",") == 4 for word in words[1:])


def _coco_at(path: Path) -> Path | None:
    """Returns the COCO file that `path` is or, as a folder, has in it; None if it is something else."""
    files = files_in(path, ".json") if paths.is_folder(path) else [path] if paths.is_file(path) else []
    if len(files) > 1:
        files = [file for file in files if not file.name.startswith(("captions_", "person_keypoints_", "panoptic_"))]
    for file in files[:3]:
        head = read_json_head(file)
        if head is not None and not describe_unsupported(file) and {"images", "annotations"} & set(head.values):
            return file
    return None


def _refuse_unsupported(places: Sequence[Path]) -> None:
    """Raises InputError that names the format of the first place that has one that is not read."""
    for place in places:
        if not paths.exists(place):
            continue
        found = paths.list_folder(place) if paths.is_folder(place) else [place]
        for file in [file for file in found if paths.is_file(file)][:LOOKED_INTO]:
            described = describe_unsupported(file)
            if described:
                raise InputError(f"{file}: {described}")
