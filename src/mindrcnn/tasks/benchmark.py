"""The speed of a checkpoint or exported model, printed and written as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.obtain import checkpoint_file
from mindrcnn.opening import DEFAULT_RUNTIME, Runtime, images_per_call, open_detector
from mindrcnn.outputs import COMMENT, Output, protect
from mindrcnn.tasks.speed import Workload, find_pictures, measure, parse_size


def benchmark(
    file: Path,
    overrides: Sequence[str],
    *,
    batch: int | None,
    size: str | None,
    sources: Sequence[str],
    warm_up: int,
    calls: int,
    json_file: Path | None,
    runtime: Runtime = DEFAULT_RUNTIME,
    force: bool = False,
) -> int:
    """Measures a model, prints the report and returns the exit status.

    file: the checkpoint or exported model, or a published model's name.
    overrides: configuration keys to change.
    batch: images per call; None is 1, or the number that an exported model is fixed to.
    size: HEIGHTxWIDTH of the input; None is the first of data.buckets.
    sources: files, folders and globs of images to predict; none: noise.
    warm_up: calls before those that are measured.
    calls: calls that are measured.
    json_file: where to write the report as JSON too.
    runtime: the back end and device.
    force: whether an existing file of others may be replaced.
    """
    setup_logging()
    pictures = find_pictures(sources)
    if json_file is not None:
        protect([Output(json_file)], inputs=[file, *pictures], force=force)
    file = checkpoint_file(file)
    start = perf_counter()
    detector = open_detector(file, [*overrides, *size_keys(size)], runtime=runtime)
    loaded = perf_counter() - start
    workload = Workload(
        batch=images_per_call(detector, file, batch),
        size=detector.config.data.buckets[0],
        warm_up=warm_up,
        calls=calls,
        pictures=pictures,
    )
    report = {"file": str(file), **measure(detector, workload, load_seconds=loaded)}
    if json_file is not None:
        write_json(json_file, COMMENT | report)
    sys.stdout.write(report_text(report))
    return EXIT_OK


def size_keys(size: str | None) -> list[str]:
    """Returns the configuration keys of an input size; images are fitted into all of it."""
    if size is None:
        return []
    height, width = parse_size(size)
    return [f"data.buckets=[[{height},{width}]]", f"data.short_side={min(height, width)}"]


def report_text(report: dict[str, Any]) -> str:
    """Returns the report as lines of text."""
    whole, warm_up, memory = report["with_images_and_masks"], report["warm_up"], report["memory_mb"]
    shape = "{batch} x 3 x {height} x {width}".format(**report)
    pictures = report["pictures"] if report["pictures"] == "noise" else f"{report['pictures']} pictures"
    first = f", the first took {warm_up['ms'][0]:.1f} ms" if warm_up["ms"] else ""
    parts = ", ".join(f"{name} {value:.1f}" for name, value in whole["mean_ms"].items())
    lines = {
        "model": "{file}: {model}, {backbone}, {precision}".format(**report),
        "runtime": f"{report['runtime']}, threads: {report['threads']}",
        "input": f"{shape}, {pictures}, {report['detections_per_image']:g} detections an image",
        "loading": f"{report['load_s']:.2f} s",
        "warm-up": f"{warm_up['calls']} calls{first}",
        "latency": f"{spread_text(report['latency_ms'])} ms, of {report['calls']} calls",
        "throughput": f"{report['images_per_s']:.2f} images/s",
        "with images and masks": f"{whole['images_per_s']:.2f} images/s; {spread_text(whole['latency_ms'])} ms",
        "mean of the parts": f"{parts} ms",
        "memory": f"peak {memory['peak']} MB, {memory['loaded']} MB when loaded",
    }
    return "".join(f"{name:<22} {text}\n" for name, text in lines.items())


def spread_text(spread: dict[str, float]) -> str:
    """Returns times as text."""
    return ", ".join(f"{name} {value:.1f}" for name, value in spread.items())
