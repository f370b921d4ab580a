"""The process that serves a detector until it is told to stop. Needs uvicorn."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import Picture
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.exported.runtime import import_package
from mindrcnn.image_detector import Detector
from mindrcnn.obtain import checkpoint_file
from mindrcnn.opening import DEFAULT_RUNTIME, Runtime, images_per_call, open_detector
from mindrcnn.tasks.serving.limits import Limits

logger = logging.getLogger(__name__)

BACKLOG = 128  # connections that the system accepts before the server does
STOP_SECONDS = 30  # how long requests may take to finish after a signal to stop


def serve(
    file: Path,
    overrides: Sequence[str],
    *,
    host: str,
    port: int,
    limits: Limits,
    batch: int | None,
    score: float,
    runtime: Runtime = DEFAULT_RUNTIME,
) -> int:
    """Serves a model until SIGINT or SIGTERM; requests that have begun are answered first.

    file: the checkpoint or exported model, or a published model's name.
    overrides: configuration keys to change.
    host: address to listen at.
    port: its port; 0 takes any free one.
    limits: what the server takes on; its batch size is replaced by `batch`.
    batch: most images per call; None is that of `limits`, or the number that an exported model is fixed to.
    score: lowest score of a prediction, unless a request gives another.
    runtime: the back end and device.
    """
    setup_logging()
    import_package("uvicorn", "serve", purpose="serve")
    import_package("fastapi", "serve", purpose="serve")
    from mindrcnn.tasks.serving.app import make_app

    file = checkpoint_file(file)
    listener = listen(host, port)
    detector = open_detector(file, overrides, runtime=runtime)
    limits = replace(limits, batch_size=images_per_call(detector, file, batch, default=limits.batch_size))
    warm_up(detector, limits.batch_size)
    app = make_app(detector, limits, default_score=score)
    logger.info("serving %s at http://%s:%d", file, host, listener.getsockname()[1])
    make_server(app, limits).run(sockets=[listener])
    return EXIT_OK


def make_server(app: Any, limits: Limits) -> Any:
    """Returns uvicorn's server of an application; a connection may be silent for as long as a file may take."""
    import uvicorn

    from mindrcnn.tasks.serving.connections import impatient_protocol

    config = uvicorn.Config(
        app,
        http=impatient_protocol(limits.upload_seconds),
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens. Raises InputError for an address that cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise InputError(f"--host, --port: wanted an address to listen at, got {host}:{port}: {reason}") from error
    return listener


def warm_up(detector: Detector, batch_size: int) -> None:
    """Predicts a black image in every bucket, so that no request waits for a compilation and a failure shows now."""
    start = perf_counter()
    for bucket in detector.config.data.buckets:
        black = Picture(pixels=np.zeros((*bucket, 3), np.uint8))
        detector.detect(detector.prepare([black], bucket=bucket, batch_size=batch_size))
    logger.info("%r is ready after %.1f s", detector, perf_counter() - start)
