"""Conversion from file to file: weights of another library to a checkpoint, and a checkpoint to weights."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.config.loader import dump_config
from mindrcnn.convert.backbone import import_backbone
from mindrcnn.convert.families import FAMILIES, detect_family, exporting_family
from mindrcnn.convert.importer import Options, import_detector
from mindrcnn.convert.mapping import export_state
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from mindrcnn.engine.checkpoints.checksum import DIGEST_NAME
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.outputs import MARK, Output
from mindrcnn.published.table import PublishedModel, find_published
from mindrcnn.weights.download import fetch_weights
from mindrcnn.weights.read import WeightsFile, read_weights
from mindrcnn.weights.write import write_state

logger = logging.getLogger(__name__)

BACKBONES_ONLY = "mindcv"  # it has no detectors
SOURCES = ("auto", *FAMILIES, BACKBONES_ONLY)
TARGETS = ("torchvision", "detectron2")
TAIL = 1 << 18  # bytes at the end of a checkpoint among which is its description
NEVER_TRAINED = b'"steps_per_epoch": 0'  # in the description


@dataclass(frozen=True)
class Outputs:
    """The files of an import: the checkpoint, and beside it its configuration and its report."""

    checkpoint: Path

    def __post_init__(self) -> None:
        if self.checkpoint.suffix != ".ckpt":
            raise InputError(f"OUT: wanted a name ending in .ckpt, got {self.checkpoint}")

    @property
    def config(self) -> Path:
        return self.checkpoint.with_suffix(".yaml")

    @property
    def report(self) -> Path:
        return self.checkpoint.with_suffix(".report.txt")

    @property
    def files(self) -> list[Output]:
        """The three files."""
        return [Output(self.checkpoint, is_converted), Output(self.config), Output(self.report)]


def is_converted(path: Path) -> bool:
    """Says whether a file ends as a checkpoint does that a conversion wrote, so that no training is in it."""
    with paths.open_file(path) as file:
        try:
            file.seek(max(paths.size(path) - TAIL, 0))
            tail = file.read()
        except OSError as error:
            raise paths.refusal(path, error) from error
    return DIGEST_NAME.encode() in tail and NEVER_TRAINED in tail


def convert_in(source: str, out: Path, *, library: str, options: Options) -> int:
    """Imports another library's file, a path, name or URL, as a checkpoint. Raises InputError if it does not fit."""
    setup_logging()
    model = find_published(source)
    if model is not None and not paths.is_file(paths.expand(source)):
        library = model.library if library == "auto" else library
        options = _published_options(model, options)
    _convert(read_weights(fetch_weights(source)), Outputs(out), library, options)
    return EXIT_OK


def convert_published(model: PublishedModel, out: Path) -> None:
    """Downloads a published detector and imports it as a checkpoint. Raises InputError if either fails."""
    options = Options(overrides=(f"name={re.sub('[/-]', '_', model.name)}",))
    file = read_weights(fetch_weights(model.url))
    _convert(file, Outputs(out), model.library, _published_options(model, options))


def _published_options(model: PublishedModel, given: Options) -> Options:
    """Returns the options with what the model needs; those that the user gives take precedence."""
    return replace(
        given,
        style=given.style or model.style,
        norm_eps=model.norm_eps if given.norm_eps is None else given.norm_eps,
        overrides=(*model.overrides, *given.overrides),
    )


def _convert(file: WeightsFile, outputs: Outputs, library: str, options: Options) -> None:
    """Writes the checkpoint, configuration and report of a file that has been read."""
    if library == BACKBONES_ONLY or (detect_family(file.arrays) is None):
        return _write_backbone(file, outputs)
    named = FAMILIES.get(library)
    imported = import_detector(file, detect_family(file.arrays, named.name) or named if named else None, options)
    info = CheckpointInfo(
        config_yaml=dump_config(imported.config),
        classes=imported.classes.names,
        category_ids=imported.classes.category_ids,
        epoch=0,
        step=0,
    )
    save_checkpoint(outputs.checkpoint, network=imported.detector, info=info)
    write_text(outputs.config, f"# {MARK}\n{info.config_yaml}")
    write_text(outputs.report, f"{MARK}\n\n{imported.report}")
    logger.info("%s", imported.report.title)
    logger.info("%s", imported.report.summary)
    for note in imported.report.notes:
        logger.warning("%s", note)
    logger.info("wrote %s, %s, %s", outputs.checkpoint, outputs.config, outputs.report)


def _write_backbone(file: WeightsFile, outputs: Outputs) -> None:
    imported = import_backbone(file)
    config = dump_config(imported.config(outputs.checkpoint))
    info = CheckpointInfo(config_yaml=config, classes=(), category_ids=(), epoch=0, step=0)
    save_checkpoint(outputs.checkpoint, network=imported.backbone, info=info)
    write_text(outputs.config, f"# {MARK}\n{config}")
    report = imported.report
    lines = [MARK, "", str(report), "", *(f"  filled    {name}" for name in report.loaded)]
    lines += [f"  unused    {name} (not part of a backbone)" for name in report.dropped]
    write_text(outputs.report, "\n".join(lines) + "\n")
    logger.info("%s", report)
    logger.info("wrote %s; to train with it, set model.backbone.weights=%s", outputs.checkpoint, outputs.checkpoint)


def convert_out(checkpoint: Path, out: Path, *, library: str) -> int:
    """Exports a checkpoint as another library's state dict. Raises InputError if that library has no such model."""
    setup_logging()
    loaded = load_checkpoint(checkpoint)
    parameters = {name: parameter.asnumpy() for name, parameter in loaded.parameters.items()}
    state = export_state(parameters, exporting_family(library, parameters))
    write_state(out, state)
    logger.info("wrote %s: %d parameters under the names of %s", out, len(state), library)
    return EXIT_OK
