"""Everything that a training run does before its first step, and what there is to say about it."""

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from math import prod
from pathlib import Path

import numpy as np

from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.run import Config
from mindrcnn.data.batching.batch import Batch
from mindrcnn.engine.checkpoints.checkpoint import optimizer_state
from mindrcnn.engine.tracking.curves import draw_learning_rates
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.engine.tracking.sinks import require_reachable, require_sinks
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.models.complexity import count_parameters
from mindrcnn.models.kept_outputs import count_kept_outputs
from mindrcnn.tasks.announcement import announce
from mindrcnn.tasks.first_batch import FIRST_BATCH, draw_first_batch
from mindrcnn.tasks.modelarts import uploaded
from mindrcnn.tasks.preparation import Prepared, prepare
from mindrcnn.tasks.processes import join_job, require_same_job
from mindrcnn.tasks.recipe import with_recipe
from mindrcnn.tasks.run_folder import find_run_folder

logger = logging.getLogger(__name__)

RATES = "learning_rate.png"
GIGABYTE = 1e9
FLOAT32 = 4  # bytes
CPU_PROCESS_GB = 1.0  # Python, MindSpore and the compiled graphs, on a CPU (docs/performance.md)


def dry_run(
    config_file: Path,
    overrides: Sequence[str],
    run_dir: Path | None = None,
    *,
    resume: bool = False,
    recipe: str | None = None,
) -> int:
    """Prepares a run as `run_training` does and reports on it, without a step; returns the exit status.

    config_file: the YAML file.
    overrides: configuration keys to change.
    run_dir: a new or empty folder, which gets the configuration and two pictures; None writes nothing.
    resume: prepares the continuation of a run instead, and writes nothing.
    recipe: chooses what the overrides do not set from the data; see `recipe.py`.
    """
    setup_logging()
    chosen, reasons = (overrides, []) if recipe is None else with_recipe(config_file, overrides, recipe)
    config = load_config(config_file, chosen)
    require_sinks(config.train.log_to)
    ranks = join_job(config.device, config.train.seed)
    with ranks.together(), ExitStack() as held:
        require_same_job(config, ranks)
        folder = held.enter_context(uploaded(run_dir, ranks))
        run_folder = find_run_folder(folder, config.name, ranks, held, resume=resume)
        ready = prepare(config, ranks, run_folder.checkpoint)
        ranks.from_first(lambda: require_reachable(config.train.log_to))
        for reason in reasons:
            logger.info("%s", reason)
        announce(ready.config, ready.data.train, ready.detector, ready.plan, ranks.size)
        started = time.perf_counter()
        batch = next(ready.data.loader.epoch(*divmod(ready.progress.step, ready.plan.steps_per_epoch)))
        seconds = time.perf_counter() - started
        for line in (*describe_batch(batch, seconds), describe_memory(ready, batch), describe_rates(ready)):
            logger.info("%s", line)
        if run_dir is not None and not run_folder.resumed:
            write_files(run_folder.open(ready.config, ready.progress, ranks), ready, batch)
        elif ranks.first:
            logger.info("dry run: no step was run, and no run folder made")
        if ranks.first:
            sys.stdout.write(dump_config(ready.config))
    ranks.finish()
    return EXIT_OK


def describe_batch(batch: Batch, seconds: float) -> list[str]:
    """Returns lines about the names, shapes and types of a batch, and its images."""
    arrays = {one.name: getattr(batch, one.name) for one in fields(batch)}
    shapes = ", ".join(
        f"{name} {value.shape} {value.dtype}" for name, value in arrays.items() if isinstance(value, np.ndarray)
    )
    ids = ", ".join(str(image_id) for image_id in batch.image_ids)
    objects = int(batch.gt_valid.sum())
    return [f"first batch: {shapes}", f"first batch: images {ids} with {objects} objects, read in {seconds:.1f} s"]


def describe_memory(ready: Prepared, batch: Batch) -> str:
    """Returns an estimate of the memory of a step, part by part."""
    config, network = ready.config, ready.detector
    parameters, trained = count_parameters(network)
    state = sum(prod(one.shape) for one in optimizer_state(ready.state.optimizer))
    average = parameters if ready.state.average is not None else 0
    parts = {
        "parameters": FLOAT32 * (parameters + average),
        "gradients": FLOAT32 * trained,
        "optimizer": FLOAT32 * state,
        "batch": sum(value.nbytes for value in vars(batch).values() if isinstance(value, np.ndarray)),
    }
    outputs = kept_outputs(config, ready, batch)
    if outputs is not None:
        parts["layers' outputs kept for the gradient"] = FLOAT32 * len(batch.images) * outputs
    sizes = {name: size / GIGABYTE for name, size in parts.items()}
    if config.device.target == "CPU":
        sizes["Python, MindSpore and compiled graphs"] = CPU_PROCESS_GB
    listed = ", ".join(f"{name} {size:.2f}" for name, size in sizes.items())
    unknown = "" if outputs is not None else "; outputs of layers that other packages add are not counted"
    return f"memory, estimated: {sum(sizes.values()):.1f} GB ({listed}){unknown}"


def kept_outputs(config: Config, ready: Prepared, batch: Batch) -> int | None:
    """Returns the outputs that an image of the batch keeps for the gradient; None if they cannot be counted."""
    sampling = config.model.roi_sampling
    return count_kept_outputs(
        ready.detector,
        *batch.images.shape[2:],
        samples=sampling.batch_size_per_image,
        positives=round(sampling.batch_size_per_image * sampling.positive_fraction),
    )


def describe_rates(ready: Prepared) -> str:
    """Returns a line with the learning rate of the first step, of those where it changes at once, and of the last."""
    rates = ready.learning_rates.astype(np.float64)
    change = np.abs(np.diff(rates))
    jumps = np.flatnonzero((change > 0.3 * rates[:-1]) & (change > 0.001 * rates.max())) + 1
    peak = int(rates.argmax())
    steps = sorted({0, peak, *(int(step) for step in jumps if step > peak), len(rates) - 1})
    return "learning rate: " + ", ".join(f"{rates[step]:.3g} at step {step + 1}" for step in steps)


def write_files(folder: Path, ready: Prepared, batch: Batch) -> None:
    """Writes the pictures of the learning rate and of the first batch into the run folder."""
    draw_learning_rates(ready.learning_rates, ready.plan.steps_per_epoch, folder / RATES)
    order = ready.config.model.pixel.channel_order
    draw_first_batch(folder / FIRST_BATCH, batch, ready.data.train.classes, order)
    logger.info("dry run: no step was run; config.yaml, %s and %s are in %s", RATES, FIRST_BATCH, folder)
    logger.info("the same command with --resume instead of --dry-run starts the run there")
