"""The first lines of a run's log: device, data, model, length and learning rate."""

import logging
import os
import platform

import mindspore as ms
import numpy as np

from mindrcnn.build.data import data_root
from mindrcnn.build.training import global_batch, peak_learning_rate
from mindrcnn.config.run import Config, DeviceConfig
from mindrcnn.data.record import Dataset
from mindrcnn.engine.plan import Plan
from mindrcnn.models.complexity import count_multiply_adds, count_parameters
from mindrcnn.models.detector import TwoStageDetector

logger = logging.getLogger(__name__)


def announce(config: Config, dataset: Dataset, detector: TwoStageDetector, plan: Plan, world_size: int) -> None:
    """Logs a line each about device, versions, data, model, input sizes, length and learning rate.

    config: the configuration.
    dataset: the training split.
    detector: the model.
    plan: the length of training.
    world_size: number of processes.
    """
    schedule, images = config.train.schedule, global_batch(config.train, world_size=world_size)
    logger.info("%s; %s", describe_device(config.device), describe_threads(config.data.workers))
    logger.info(
        "MindSpore %s, NumPy %s, Python %s, %s", ms.__version__, np.__version__, platform.python_version(),
        platform.platform(),
    )  # fmt: skip
    logger.info("%d images, %d classes, from %s", len(dataset.records), len(dataset.classes), data_root(config.data))
    for line in describe_model(config, detector):
        logger.info("%s", line)
    if world_size > 1:
        logger.info("%d processes", world_size)
    logger.info("%d steps of %d images, %d steps an epoch", plan.total_steps, images, plan.steps_per_epoch)
    scaled = f"base_lr {schedule.base_lr:g} x {images} / {schedule.reference_batch} images"
    logger.info(
        "learning rate %g after warm-up (%s)",
        peak_learning_rate(config.train, world_size=world_size),
        scaled if schedule.scale_lr else "base_lr, not scaled to the batch",
    )


def describe_device(device: DeviceConfig) -> str:
    """Returns device and mode in words."""
    return f"device {ms.get_context('device_target')} {ms.get_context('device_id')}, {device.mode} mode"


def describe_threads(workers: int) -> str:
    """Returns the numbers of threads in words."""
    kernels = os.environ.get("OMP_NUM_THREADS") or f"up to {os.cpu_count()}"
    return f"{kernels} kernel threads (OMP_NUM_THREADS), {workers} loader threads"


def describe_model(config: Config, detector: TwoStageDetector) -> list[str]:
    """Returns a line about parameters, and one each about the arithmetic at an input size."""
    parameters, trained = count_parameters(detector)
    lines = [f"{parameters} parameters, of which {trained} train"]
    for height, width in config.data.input_sizes:
        multiply_adds = count_multiply_adds(
            detector,
            height,
            width,
            proposals=config.model.rpn.post_nms_topk.test,
            detections=config.model.box.detections_per_image,
        )
        cost = "" if multiply_adds is None else f": {2 * multiply_adds / 1e9:.1f} GFLOPs an image at inference"
        lines.append(f"input {height} x {width} (height x width){cost}")
    return lines
