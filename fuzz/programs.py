"""The five programs, with what takes long in them (steps, predictions, the exported file) left out."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from fuzz import checkpoint_file
from fuzz.mutate import mutate_bytes, mutate_json
from fuzz.seeds import Seeds
from fuzz.target import Target
from mindrcnn.engine.trainer import Progress
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_FAILED, EXIT_INPUT, EXIT_OK, EXIT_SKIPPED
from mindrcnn.programs import convert, doctor, evaluate, export, infer, train

SHARE = 0.1  # building a detector takes a hundred times as long as reading a file


class _OneObject:
    """A stand-in for the predictor: one object in every image."""

    def __init__(self, *, detector: object) -> None: ...

    def __call__(self, images: np.ndarray, image_sizes: np.ndarray) -> tuple[np.ndarray, ...]:
        one = (len(images), 1)
        box = np.tile(np.array([4, 4, 20, 20], np.float32), (*one, 1))
        scores, mask = np.full(one, 0.5, np.float32), np.ones((*one, 14, 14), np.float32)
        return box, scores, np.ones(one, np.int32), np.ones(one, bool), mask, scores


class _Trainer:
    """A stand-in for the trainer: reads one epoch."""

    def __init__(self, training: Any, recorder: object) -> None:
        self._loader = training.data.loader

    def run(self) -> Progress:
        for _ in self._loader.epoch(0):
            pass
        return Progress()


def program_targets(seeds: Seeds) -> list[Target]:
    """Returns the targets that run a program on one altered file."""
    root, out = seeds.root, str(seeds.root / "out")
    model, annotations, image = root / "p.ckpt", root / "p.json", root / "p.jpg"
    data = [f"data.{split}.annotations=p.json" for split in ("train", "val")]
    alter_model = partial(_checkpoint, seeds)
    alter_json = partial(mutate_json, seeds.coco)
    alter_config = partial(_config, seeds)
    any_image = [str(path) for path in sorted(seeds.images.iterdir())][:1]
    good = str(seeds.checkpoint)

    def target(name: str, file: Path, alter: Any, program: Any, words: Sequence[str], share: float = SHARE) -> Target:
        return Target(name, file, alter, partial(_run, program, words, Path(out)), share)

    config = root / "p.yaml"
    return [
        target("train", annotations, alter_json, train, [str(seeds.config), *data, "--run-dir", out]),
        target("train_config", config, alter_config, train, [str(config), "--run-dir", out]),
        target("doctor", annotations, alter_json, doctor, [str(seeds.config), *data, "--workers", "1"], 2 * SHARE),
        target("eval", model, alter_model, evaluate, [str(model), "--out", out]),
        target("eval_data", annotations, alter_json, evaluate, [good, *data, "--out", out]),
        target("infer", model, alter_model, infer, [str(model), *any_image, "--out", out]),
        target("infer_image", image, partial(_image, seeds), infer, [good, str(image), "--out", out]),
        target("export", model, alter_model, export, [str(model), "--out", f"{out}/m.mindir"]),
        target("convert_out", model, alter_model, convert, [str(model), f"{out}/w.pth", "--to", "torchvision"]),
    ]


def _run(program: Any, words: Sequence[str], out: Path) -> None:
    """Runs a program. Raises InputError if it refused its input."""
    shutil.rmtree(out, ignore_errors=True)
    os.chdir(out.parent)
    with (
        mock.patch("mindrcnn.predictor.NumpyPredictor", _OneObject),
        mock.patch("mindrcnn.tasks.training.build_trainer", _Trainer),
        mock.patch("mindrcnn.tasks.export.write_model"),
    ):
        status = program.main(list(words))
    if status in (EXIT_INPUT, EXIT_FAILED, EXIT_SKIPPED):
        raise InputError(f"status {status}")
    assert status == EXIT_OK, status


def _config(seeds: Seeds, rng: random.Random) -> bytes:
    return mutate_bytes(seeds.config.read_bytes(), rng)


def _image(seeds: Seeds, rng: random.Random) -> bytes:
    return mutate_bytes(rng.choice(seeds.pictures), rng)


def _checkpoint(seeds: Seeds, rng: random.Random) -> bytes:
    """Alters the description or the first parameters of a whole checkpoint, with a right checksum."""
    parameters, described = checkpoint_file.split(seeds.checkpoint.read_bytes(), json.dumps(seeds.info).encode())
    if rng.random() < 0.3:
        return checkpoint_file.sealed(mutate_bytes(parameters[:300], rng) + parameters[300:] + described)
    return checkpoint_file.sealed(parameters + checkpoint_file.entry(mutate_json(seeds.info, rng)))
