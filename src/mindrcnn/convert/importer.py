"""Import of another library's file as a detector with its configuration, classes and a report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor
from mindspore.nn.utils import no_init_parameters
from numpy.typing import NDArray

from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.convert import conventions
from mindrcnn.convert.architecture import Architecture, Probe, describe
from mindrcnn.convert.classes import ClassChoice, choose_classes
from mindrcnn.convert.coco_classes import COCO_CLASSES
from mindrcnn.convert.families import FAMILIES, NAMES_SHOWN, Family, detect_family, normalise_names
from mindrcnn.convert.mapping import map_parameters, refold_norms
from mindrcnn.convert.report import Report, list_missing
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.models.layers import NORM_EPS
from mindrcnn.weights.class_axes import NEW, axes_of
from mindrcnn.weights.read import WeightsFile

# In a configuration of mmdetection.
_STYLE = re.compile(r"style\W{1,6}(caffe|pytorch)\b")
_BGR = re.compile(r"to_rgb\W{1,6}False\b")
_STANDARDISED = re.compile(r"\bConvWS\b")


@dataclass(frozen=True)
class Options:
    """The user's choices.

    Attributes:
        base: configuration for everything that the weights do not determine; None for COCO in data/coco.
        overrides: `a.b=c`, which take precedence over everything else.
        classes: names of the result's classes; if empty, the source's.
        source_classes: names of the source's outputs, if they are not COCO's.
        all_outputs: keeps torchvision's outputs for category ids that COCO does not use.
        style: ImageNet style of mmdetection's backbone, "pytorch" or "caffe"; if empty, that of the published
            configurations.
        allow_leftover: accepts source parameters that have no place in the model.
        norm_eps: what the source adds to the variances of the backbone's norms; None is the same as here, 1e-5.
    """

    base: Config | None = None
    overrides: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    source_classes: tuple[str, ...] = ()
    all_outputs: bool = False
    style: str = ""
    allow_leftover: bool = False
    norm_eps: float | None = None


@dataclass(frozen=True)
class Imported:
    """A detector with the source's weights, and the other contents of its checkpoint."""

    detector: TwoStageDetector
    config: Config
    classes: ClassChoice
    report: Report


def import_detector(file: WeightsFile, family: Family | None, options: Options) -> Imported:
    """Imports the detector in the file; with `family` None, the names tell the family.

    Raises one InputError for a file of another model, for parameters that are missing or of another shape, and for
    parameters without a place in the model unless they are allowed.
    """
    family = family or detect_family(file.arrays)
    if family is None:
        raise InputError(
            f"{file.path}: wanted a detector named as in {', '.join(FAMILIES)}; got names like "
            f"{', '.join(sorted(file.arrays)[:NAMES_SHOWN])}"
        )
    with prefix_errors(file.path):
        entries = normalise_names(file.arrays, family)
    architecture = describe(Probe(path=file.path, family=family, entries=entries))
    classes = choose_classes(
        architecture.classes,
        wanted=options.classes or (options.base.data.classes if options.base else ()),
        source_names=options.source_classes or read_class_names(file.meta),
        all_outputs=options.all_outputs,
    )
    style, style_note = choose_style(file, family, architecture, options.style)
    config = configuration(family, architecture, classes, style, options)
    report = Report(title=f"{file.path}: {family.name}, {architecture}")
    report.notes += [*style_note, *convention_notes(family, architecture), *classes.notes]
    ms.set_seed(config.train.seed + 1)  # for the values of new classes; MindSpore does not accept 0
    with no_init_parameters():
        detector = build_detector(config.model, len(classes.names))
    parameters = detector.parameters_dict()
    fresh = {name: initial_value(parameter, classes) for name, parameter in parameters.items()}
    with prefix_errors(file.path):
        values = map_parameters(entries, fresh, family=family, classes=classes, report=report)
        if options.norm_eps is not None:
            values |= refold_norms(values, options.norm_eps)
            report.notes.append(f"norms: their scales make up for an epsilon of {options.norm_eps:g}, not {NORM_EPS:g}")
    check(report, allow_leftover=options.allow_leftover)
    for name, value in values.items():
        parameters[name].set_data(Tensor.from_numpy(value))
    return Imported(detector=detector, config=config, classes=classes, report=report)


def initial_value(parameter: Parameter, classes: ClassChoice) -> NDArray:
    """Returns the initial value of a parameter where new classes keep it; elsewhere only the shape is right."""
    if NEW in classes.sources and axes_of(parameter.name):
        return parameter.init_data().asnumpy()
    return np.broadcast_to(np.float32(np.nan), parameter.shape)


@contextmanager
def prefix_errors(path: Path) -> Iterator[None]:
    """Adds the file in front of the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def check(report: Report, *, allow_leftover: bool) -> None:
    """Raises InputError if parameters of either side are left over."""
    faults = []
    if report.missing:
        faults.append(f"it lacks {len(report.missing)} parameters: {list_missing(report.missing)}")
    if report.leftover and not allow_leftover:
        faults.append(
            f"it has {len(report.leftover)} parameters without a place in this model: {shorten(report.leftover)} "
            "(--allow-leftover ignores them)"
        )
    if faults:
        raise InputError(f"{report.title}: {'; '.join(faults)}")


def configuration(
    family: Family, architecture: Architecture, classes: ClassChoice, style: str, options: Options
) -> Config:
    """Builds the configuration: the base, then the switches that the weights require, then the overrides.

    family: the library, which determines most switches.
    architecture: the recognised model.
    classes: the result's classes.
    style: style of the backbone; empty if the family has only one.
    options: the base and the overrides.
    """
    model = conventions.merge_trees(
        conventions.SWITCHES[family.switches],
        conventions.STYLES.get(style, {}),
        conventions.MMDET_NORM.get(style, {}) if family.name == "mmdet" else {},
        conventions.GROUP_NORM if architecture.model["backbone"].get("norm") == "group" else {},
        conventions.ZOO_MOBILENET if architecture.backbone == "mobilenet_v1" else {},
        conventions.MASK_SWITCHES.get((family.switches, architecture.mask_type), {}) if architecture.mask_type else {},
    )
    model = conventions.merge_trees(model, {k: v for k, v in architecture.model.items() if k != "mask"})
    mask = architecture.model["mask"]
    model["mask"] = conventions.merge_trees(mask, model.get("mask", {})) if mask else None
    tree: dict[str, Any] = _tree(options.base or coco_config(family, architecture, classes))
    tree["model"]["mask"] = None  # a mask branch of another type may have other keys
    tree = conventions.merge_trees(tree, {"model": model})
    tree["data"]["classes"] = list(classes.names) if options.base or set(classes.names) != set(COCO_CLASSES) else []
    return parse_config(dump_yaml(tree), "imported configuration", options.overrides)


def _tree(config: Config) -> dict[str, Any]:
    """Converts a configuration to nested dicts and lists."""
    return dict(json.loads(json.dumps(asdict(config))))


def coco_config(family: Family, architecture: Architecture, classes: ClassChoice) -> Config:
    """Builds the rest of the configuration: COCO 2017 in data/coco, restricted to `classes` if they are a subset."""
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


def choose_style(
    file: WeightsFile, family: Family, architecture: Architecture, given: str
) -> tuple[str, tuple[str, ...]]:
    """Chooses the style of a backbone that comes in several, with a note if it is a guess; empty for other families.

    Raises InputError if the file's configuration has convolutions with standardised weights.
    """
    texts = list(_texts(file.meta.get("meta"))) if family.styled else []
    if any(map(_STANDARDISED.search, texts)):
        raise InputError(f"{file.path}: wanted ordinary convolutions, got a configuration with ConvWS")
    if given:
        return given, ()
    if not family.styled:
        return "", ()
    found = next(filter(None, map(_STYLE.search, texts)), None)
    if found:
        bgr = found[1] == "pytorch" and any(map(_BGR.search, texts))
        return ("pytorch, bgr" if bgr else found[1]), ()
    style = conventions.MMDET_STYLE.get(architecture.mask_type, "pytorch")
    return style, (f"the file does not tell the style of its backbone, assumed to be {style}; --style sets another",)


def _texts(value: Any) -> Iterator[str]:
    """Yields the texts in dicts and lists, each with its key; what stands in several places is looked at once."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield from (f"{key}: {item}" for key, item in value.items() if isinstance(item, str))
            waiting += value.values()


def convention_notes(family: Family, architecture: Architecture) -> tuple[str, ...]:
    """Returns notes on conventions of the source that the configuration cannot express."""
    notes = conventions.NOT_REPRESENTED.get(family.switches, ())
    if family.switches == "mindspore-zoo":
        notes += (conventions.ZOO_MASKS,) if architecture.mask_type else ()
        notes += () if architecture.backbone == "mobilenet_v1" else (conventions.ZOO_RESNET,)
    return tuple(f"not represented: {note}" for note in notes)


def read_class_names(meta: dict[str, Any]) -> Sequence[str]:
    """Returns the class names in an mmdetection checkpoint; empty if it has none."""
    inner = meta.get("meta")
    if not isinstance(inner, dict):
        return ()
    dataset = inner.get("dataset_meta")
    names = inner.get("CLASSES") or (
        dataset.get("classes") or dataset.get("CLASSES") if isinstance(dataset, dict) else None
    )
    if not isinstance(names, list | tuple) or not all(isinstance(name, str | int) for name in names):
        return ()
    return tuple(map(str, names))
