"""Formats that are recognised in order to be named, but not read."""

from __future__ import annotations

from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.formats.json_head import JsonHead, read_json_head
from mindrcnn.errors import InputError
from mindrcnn.untrusted.xml_text import parse_xml

HEAD = 4096  # bytes of a text file
EXPORT = "export COCO from the tool"
INSTANCES = "the instances_*.json are wanted"

_JSON_OBJECTS = (  # keys that an object must have, its name, advice
    ({"project", "metadata", "file", "view"}, "a VIA 3 project", "VIA 2 writes what is read"),
    ({"dsType", "videos"}, "a COCO-like file of videos", EXPORT),
    ({"objects", "tags", "size"}, "a Supervisely annotation", EXPORT),
    ({"annotations", "item", "version"}, "a Darwin (V7) annotation", EXPORT),
    ({"dm_format_version"}, "a Datumaro file", "datum convert writes COCO"),
    ({"info", "categories", "items"}, "a Datumaro file", "datum convert writes COCO"),
    ({"samples"}, "a FiftyOne data set in its own form", "export it as COCODetectionDataset"),
    ({"classes", "metadata", "instances"}, "a SuperAnnotate file", EXPORT),
)
_XML_ROOTS = {"annotations": "a CVAT XML file", "dataset": "an XML file of dlib", "kitti": "a KITTI XML file"}
_FIRST_LINES = (  # beginning of a CSV file's first line, its name
    ("filename,file_size,file_attributes", "a CSV file of VIA"),
    ("#filename,file_size,file_attributes", "a CSV file of VIA"),
    ("ImageID,Source,LabelName", "a CSV file of Open Images"),
    ("filename,width,height,class,xmin", "a CSV file of boxes (TensorFlow)"),
)


def describe_unsupported(path: Path) -> str:
    """Returns the name of a file's format and what to do instead; empty for a file that is read or not recognised."""
    ending = path.suffix.lower()
    if ending == ".json":
        head = read_json_head(path)
        return "" if head is None else _json_kind(head)
    if ending == ".xml":
        return _xml_kind(path)
    if ending in (".csv", ".txt", ".ndjson", ".jsonl"):
        return _text_kind(path, ending)
    if ending in (".tfrecord", ".record", ".tfrecords"):
        return f"a TFRecord file, which is not read; {EXPORT}"
    return ""


def _json_kind(head: JsonHead) -> str:
    if head.is_list:
        return _list_kind(head.element)
    keys = set(head.values)
    annotation = head.row("annotations")
    if {"images", "annotations"} <= keys:
        if "segments_info" in annotation:
            return f"COCO's panoptic annotations, which are not read; {INSTANCES}"
        if "caption" in annotation:
            return f"COCO's captions, which are not read; {INSTANCES}"
        return ""
    for wanted, name, advice in _JSON_OBJECTS:
        if wanted <= keys:
            return f"{name}, which is not read; {advice}"
    return ""


def _list_kind(element: object) -> str:
    keys = set(element) if isinstance(element, dict) else set()
    if {"image_id", "category_id", "score"} <= keys:
        return "a COCO file of results, which is not read; annotations are wanted"
    if "data" in keys and keys & {"annotations", "completions", "predictions"}:
        return "a Label Studio JSON file, which is not read; choose COCO when exporting"
    if {"image", "annotations"} <= keys:
        return f"a CreateML file, which is not read; {EXPORT}"
    if {"data_row", "projects"} <= keys or {"Labeled Data", "Label"} <= keys:
        return f"a Labelbox export, which is not read; {EXPORT}"
    return ""


def _xml_kind(path: Path) -> str:
    try:
        root = parse_xml(paths.read_bytes(path), path)
    except InputError:
        return ""
    name = _XML_ROOTS.get(root.tag)
    return f"{name}, which is not read; {EXPORT}" if name else ""


def _text_kind(path: Path, ending: str) -> str:
    with paths.open_file(path) as file:
        line = file.readline(HEAD).decode("utf-8-sig", errors="replace")
    if ending in (".ndjson", ".jsonl"):
        return f"a file of JSON lines, which is not read; {EXPORT}" if line.startswith("{") else ""
    name = next((name for start, name in _FIRST_LINES if line.replace(" ", "").startswith(start)), "")
    if name:
        return f"{name}, which is not read; {EXPORT}"
    words = line.split()
    is_kitti = ending == ".txt" and len(words) in (15, 16) and not words[0].replace(".", "").isdigit()
    return f"a label file of KITTI, which is not read; {EXPORT}" if is_kitti else ""
