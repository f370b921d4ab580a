"""A file of another library becomes a detector with its configuration, classes and a report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor

from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.convert import conventions
from mindrcnn.convert.architecture import Architecture, Probe, describe
from mindrcnn.convert.classes import ClassChoice, choose_classes
from mindrcnn.convert.coco_classes import COCO_CLASSES
from mindrcnn.convert.families import FAMILIES, Family, detect_family, normalised
from mindrcnn.convert.mapping import map_parameters
from mindrcnn.convert.report import Report, missing_lines
from mindrcnn.errors import InputError
from mindrcnn.messages import shortened
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.weights.read import WeightsFile


@dataclass(frozen=True)
class Options:
    """What the user may decide.

    Attributes:
        base: configuration for everything that the weights do not decide; None for COCO in data/coco.
        overrides: `a.b=c`, which win over everything.
        classes: names of the result's classes; empty: the source's.
        source_classes: what the source calls its outputs, where it is not COCO.
        all_outputs: keep torchvision's outputs of category ids that COCO does not use.
        style: ImageNet style of mmdetection's backbone, "pytorch" or "caffe"; empty: as the published configurations.
        allow_leftover: source parameters without a place are no error.
    """

    base: Config | None = None
    overrides: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    source_classes: tuple[str, ...] = ()
    all_outputs: bool = False
    style: str = ""
    allow_leftover: bool = False


@dataclass(frozen=True)
class Imported:
    """A detector with the source's weights and all that its checkpoint says."""

    detector: TwoStageDetector
    config: Config
    classes: ClassChoice
    report: Report


def import_detector(file: WeightsFile, family: Family | None, options: Options) -> Imported:
    """The detector that the file holds; `family` None is told by the names.

    Raises InputError, in one message, for a file that is no such model, for parameters that are missing or of another
    shape, and for parameters without a place unless they are allowed.
    """
    family = family or detect_family(file.arrays)
    if family is None:
        raise InputError(
            f"{file.path}: wanted a detector named as in {', '.join(FAMILIES)}; got names like "
            f"{shortened(sorted(file.arrays)[:4])}"
        )
    with naming(file.path):
        entries = normalised(file.arrays, family)
    architecture = describe(Probe(path=file.path, family=family, entries=entries))
    classes = choose_classes(
        architecture.classes,
        wanted=options.classes or (options.base.data.classes if options.base else ()),
        source_names=options.source_classes or classes_in(file.meta),
        all_outputs=options.all_outputs,
    )
    style, style_note = style_of(file, family, architecture, options.style)
    config = configuration(family, architecture, classes, style, options)
    report = Report(title=f"{file.path}: {family.name}, {architecture}")
    report.notes += [*style_note, *notes_on(family, architecture), *classes.notes]
    ms.set_seed(config.train.seed + 1)  # of new classes' values; MindSpore takes no 0
    detector = build_detector(config.model, len(classes.names))
    parameters = detector.parameters_dict()
    fresh = {name: parameter.asnumpy() for name, parameter in parameters.items()}
    with naming(file.path):
        values = map_parameters(entries, fresh, family=family, classes=classes, report=report)
    check(report, allow_leftover=options.allow_leftover)
    for name, value in values.items():
        parameters[name].set_data(Tensor.from_numpy(value))
    return Imported(detector=detector, config=config, classes=classes, report=report)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Puts the file in front of the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def check(report: Report, *, allow_leftover: bool) -> None:
    """InputError where something of either side is left."""
    faults = []
    if report.missing:
        faults.append(f"it lacks {len(report.missing)} parameters: {missing_lines(report.missing)}")
    if report.leftover and not allow_leftover:
        faults.append(
            f"it has {len(report.leftover)} parameters without a place in this model: {shortened(report.leftover)} "
            "(--allow-leftover leaves them out)"
        )
    if faults:
        raise InputError(f"{report.title}: {'; '.join(faults)}")


def configuration(
    family: Family, architecture: Architecture, classes: ClassChoice, style: str, options: Options
) -> Config:
    """The base with the switches that the weights need and the overrides on top."""
    model = conventions.merged(
        conventions.SWITCHES[family.name],
        conventions.STYLES.get(style, {}),
        conventions.MMDET_NORM.get(style, {}) if family.name == "mmdet" else {},
        conventions.ZOO_MOBILENET if architecture.backbone == "mobilenet_v1" else {},
        conventions.MASK_SWITCHES.get((family.name, architecture.mask_type), {}) if architecture.mask_type else {},
    )
    model = conventions.merged(model, {k: v for k, v in architecture.model.items() if k != "mask"})
    mask = architecture.model["mask"]
    model["mask"] = conventions.merged(mask, model.get("mask", {})) if mask else None
    tree: dict[str, Any] = _tree(options.base or coco_config(family, architecture, classes))
    tree["model"]["mask"] = None  # of another type it may have other keys
    tree = conventions.merged(tree, {"model": model})
    tree["data"]["classes"] = list(classes.names) if options.base or set(classes.names) != set(COCO_CLASSES) else []
    return parse_config(dump_yaml(tree), "imported configuration", options.overrides)


def _tree(config: Config) -> dict[str, Any]:
    """Nested dicts and lists of a configuration."""
    return dict(json.loads(json.dumps(asdict(config))))


def coco_config(family: Family, architecture: Architecture, classes: ClassChoice) -> Config:
    """Everything outside the model: COCO 2017 in data/coco, a part of its categories where classes are a part."""
    name = f"{family.name}_{architecture.mask_type or 'faster_rcnn'}_{architecture.backbone}"
    part = set(classes.names) < set(COCO_CLASSES)
    return parse_config(
        dump_yaml(
            {
                "name": name.replace("-", "_"),
                "data": {
                    "root": "data/coco",
                    "train": {"name": "train2017"},
                    "val": {"name": "val2017"},
                    "ignore_other_categories": part,
                },
            }
        ),
        "imported configuration",
    )


def style_of(file: WeightsFile, family: Family, architecture: Architecture, given: str) -> tuple[str, tuple[str, ...]]:
    """Style of mmdetection's backbone, which no name tells, and a note where it is a guess; empty for others."""
    if given:
        return given, ()
    if family.name != "mmdet":
        return "", ()
    meta = file.meta.get("meta")
    text = str(meta) if isinstance(meta, dict) else ""
    found = re.search(r"style\W{1,6}(caffe|pytorch)\b", text)
    if found:
        return found[1], ()
    style = conventions.MMDET_STYLE.get(architecture.mask_type, "pytorch")
    return style, (f"the backbone is taken for {style} style, which no name tells; --style gives another",)


def notes_on(family: Family, architecture: Architecture) -> tuple[str, ...]:
    """What of the source's conventions the configuration cannot express."""
    notes = conventions.NOT_REPRESENTED.get(family.name, ())
    if family.name == "mindspore-zoo":
        notes += (conventions.ZOO_MASKS,) if architecture.mask_type else ()
        notes += () if architecture.backbone == "mobilenet_v1" else (conventions.ZOO_RESNET,)
    return tuple(f"not represented: {note}" for note in notes)


def classes_in(meta: dict[str, Any]) -> Sequence[str]:
    """Class names that an mmdetection checkpoint carries; empty where there are none."""
    inner = meta.get("meta")
    if not isinstance(inner, dict):
        return ()
    dataset = inner.get("dataset_meta")
    names = inner.get("CLASSES") or (
        dataset.get("classes") or dataset.get("CLASSES") if isinstance(dataset, dict) else None
    )
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()
