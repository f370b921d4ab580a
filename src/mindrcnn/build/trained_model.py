"""A detector restored from a checkpoint."""

from dataclasses import replace
from pathlib import Path

from mindspore.nn.utils import no_init_parameters

from mindrcnn.build.detector import build_detector
from mindrcnn.build.device import select_device
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint, load_into, require_finite
from mindrcnn.errors import InputError
from mindrcnn.models.detector import TwoStageDetector


def open_checkpoint(file: Path, overrides: Overrides) -> tuple[Checkpoint, Config]:
    """Returns a checkpoint and its configuration with overrides. Raises InputError for a bad file or override."""
    checkpoint = load_checkpoint(file)
    config = parse_config(checkpoint.info.config_yaml, f"{file} (its configuration)", overrides)
    # The checkpoint decides what a label means; the configuration may have left the classes to the training data.
    return checkpoint, replace(config, data=replace(config.data, classes=checkpoint.info.classes))


def restore_detector(checkpoint: Checkpoint, config: Config) -> TwoStageDetector:
    """Selects the device and builds the detector.

    Raises InputError if the parameters are not finite or do not fit after overrides.
    """
    require_finite(checkpoint)
    select_device(config.device)
    try:
        # Without initial values: a configuration can ask for more than memory holds, and all come from the checkpoint.
        with no_init_parameters():
            detector = build_detector(config.model, len(checkpoint.info.classes))
    except (MemoryError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{checkpoint.path}: its configuration is of no model that can be built: {error}") from error
    load_into(detector, checkpoint)
    return detector
