"""The readers of files."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import checkpoint_file
from fuzz.mutate import insert_parts, mutate_bytes, mutate_json, mutate_tree
from fuzz.run_files import run_targets
from fuzz.seeds import SIDE, Seeds
from fuzz.target import Target
from fuzz.tool_readers import tool_targets
from mindrcnn.config.loader import dump_config, load_config, parse_config
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.data.batching.batch import InputFormat, ObjectFormat
from mindrcnn.data.batching.loader import TrainLoader
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.mindrecord.reader import read_mindrecord
from mindrcnn.data.formats.txt_list import read_txt
from mindrcnn.data.image_io import read_image, read_size
from mindrcnn.data.record import Dataset, training_records
from mindrcnn.data.transforms.augment import Augment
from mindrcnn.datasets.subset import read_coco_content
from mindrcnn.drawing.objects import true_objects
from mindrcnn.engine.checkpoints.checkpoint import load_checkpoint
from mindrcnn.engine.distributed.environment import read_rank_table
from mindrcnn.engine.tracking.metrics_log import MetricsLog
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import ground_truth_of, load_ground_truth
from mindrcnn.evaluation.coco.metrics import IouType
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.weights.read import read_weights

AUGMENT = Augment(
    flip_prob=0.5,
    short_sides=(),
    photometric_prob=0.0,
    expand_prob=0.5,
    expand_max_ratio=2.0,
    expand_fill=(0.0, 0.0, 0.0),
    crop_prob=0.5,
    crop_min_scale=0.3,
)
TXT = b"000001.jpg 10,20,30.5,40,cat 1,2,60,50,dog\n000002.jpg\n000003.jpg 5,5,20,20,2\n"
TXT_PARTS = (
    *(b"1e400", b"nan", b"-inf", b"1e308", b"\xff", b"\xc2\xb2", b"\xe0\xa5\xa7", b",", b" ", b"\r", b"\x85", b"\0"),
    *(b"../../../etc/passwd", b"/dev/zero", b"9" * 5000, b"-5", b"000001.jpg", b".", b"..", b"\xef\xbb\xbf"),
)
VALUES = (
    *(
        "",
        "null",
        "true",
        "1",
        "-1",
        "0",
        "1e400",
        ".nan",
        "-.inf",
        "9" * 400,
        "9" * 5000,
        "[]",
        "[1,2]",
        "{}",
        "{a: 1}",
    ),
    *("[[64,64],[1,1]]", "!!int x", "!!python/object:os.x {}", "&a [*a]", "*b", "'", '"\\ud800"', "a: b: c", "|", "%"),
    *("? a", "<<: {a: 1}", "~", "\t", "@", "`", "\ufeff", "x" * 10000, "!!binary aGk=", "!!set {a}", "[" * 5000),
)
RANK_TABLE = {"server_list": [{"device": [{"rank_id": "0", "device_id": "0"}, {"rank_id": "1", "device_id": 1}]}]}
METRICS = [
    {"kind": "train", "step": 1, "epoch": 0.5},
    {"kind": "eval", "step": 2, "metrics": {"segm_AP": 0.5, "x": None}},
]


def reader_targets(seeds: Seeds) -> list[Target]:
    """Returns the targets that read one file in this process."""
    root = seeds.root
    json_of = partial(partial, mutate_json)
    targets = [
        Target("coco", root / "f.json", json_of(seeds.coco), lambda: _train(root / "f.json", seeds), 3),
        Target("ground_truth", root / "g.json", json_of(seeds.coco), lambda: _evaluate(root / "g.json", seeds), 2),
        Target("results", root / "r.json", json_of(seeds.results), lambda: _score(root / "r.json", seeds)),
        Target("subset", root / "s.json", json_of(seeds.coco), lambda: read_coco_content(root / "s.json"), 0.5),
        Target("rank_table", root / "t.json", json_of(RANK_TABLE), lambda: read_rank_table(root / "t.json"), 0.5),
        Target("metrics", root / "m.jsonl", _metrics, lambda: _read_metrics(root / "m.jsonl"), 0.5),
        Target("txt", root / "l.txt", _txt, lambda: _train_txt(root / "l.txt", seeds)),
        Target("yaml", root / "y.yaml", partial(_yaml, seeds), lambda: _read_config(root / "y.yaml")),
        Target("overrides", root / "o.txt", partial(_overrides, seeds), lambda: _override(root / "o.txt", seeds)),
        Target("image", root / "i.jpg", partial(_one_of, seeds.pictures), lambda: _read_image(root / "i.jpg"), 2),
        Target("checkpoint", root / "c.ckpt", partial(_checkpoint, seeds), lambda: _open(root / "c.ckpt"), 2),
    ]
    for suffix, content in seeds.weights.items():
        path = root / f"w{suffix}"
        targets.append(Target(f"weights{suffix}", path, partial(_one_of, [content]), partial(read_weights, path), 0.7))
    for path in sorted(seeds.mindrecord.iterdir()):
        alter = (
            json_of(json.loads(path.read_bytes())) if path.suffix == ".json" else partial(_one_of, [path.read_bytes()])
        )
        check = partial(_read_mindrecord, path, path.read_bytes(), seeds)
        targets.append(Target(f"mindrecord{path.suffix}", root / f"part{path.suffix}", alter, check, 0.7))
    return [*targets, *tool_targets(seeds, _use), *run_targets(seeds)]


def _one_of(contents: list[bytes], rng: random.Random) -> bytes:
    """Alters the beginning of a file more often than the rest."""
    content = rng.choice(contents)
    head = rng.choice((64, 400, len(content)))
    return mutate_bytes(content[:head], rng) + content[head:]


def _use(dataset: Dataset) -> None:
    """Does with a data set what training and evaluation do."""
    loader = TrainLoader(
        records=training_records(dataset, keep_empty_images=True),
        input_format=InputFormat(buckets=((SIDE, SIDE),), short_side=SIDE),
        object_format=ObjectFormat(max_objects=8, mask_side=28),
        augment=AUGMENT,
        batch_size=1,
        seed=0,
        workers=0,
    )
    for _ in loader.epoch(0):
        pass
    for record in dataset.records:
        true_objects(record)
    ground_truth_of(dataset)


def _train(path: Path, seeds: Seeds) -> None:
    _use(read_coco(annotations=path, images=seeds.images))


def _train_txt(path: Path, seeds: Seeds) -> None:
    _use(read_txt(annotations=path, images=seeds.images, classes=("cat", "dog")))


def _evaluate(path: Path, seeds: Seeds) -> None:
    truth = load_ground_truth(path)
    kinds: tuple[IouType, ...] = ("bbox", "segm") if truth.has_masks else ("bbox",)
    for kind in kinds:
        evaluate(truth, [one for one in seeds.results if kind == "bbox" or "segmentation" in one], iou_type=kind)


def _score(path: Path, seeds: Seeds) -> None:
    truth = load_ground_truth(seeds.annotations)
    entries = read_results(path, image_sizes=truth.image_sizes, category_ids=truth.category_ids)
    kinds: tuple[IouType, ...] = ("bbox", "segm")
    for kind in kinds:
        evaluate(truth, entries, iou_type=kind)


def _metrics(rng: random.Random) -> bytes:
    return b"\n".join(mutate_json(row, rng) if rng.random() < 0.6 else json.dumps(row).encode() for row in METRICS * 2)


def _read_metrics(path: Path) -> None:
    log = MetricsLog(path)
    log.evaluations("segm_AP")
    log.last_evaluation(2)
    log.has_evaluation(2)
    log.forget_after(1)


def _txt(rng: random.Random) -> bytes:
    return insert_parts(TXT if rng.random() < 0.5 else mutate_bytes(TXT, rng), TXT_PARTS, rng)


def _yaml(seeds: Seeds, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return mutate_bytes(seeds.config_yaml.encode(), rng)
    tree = mutate_tree(_plain(parse_config(seeds.config_yaml, "seed")), rng)
    try:
        return dump_yaml(tree).encode()
    except ValueError:  # more digits, or half of a character, than can be written
        return mutate_bytes(seeds.config_yaml.encode(), rng)


def _plain(config: object) -> dict[str, Any]:
    return dict(json.loads(json.dumps(asdict(config))))  # type: ignore[call-overload]


def _read_config(path: Path) -> None:
    config = load_config(path)
    assert parse_config(dump_config(config), "again") == config


def _overrides(seeds: Seeds, rng: random.Random) -> bytes:
    keys = [key for key, _ in _dotted(_plain(parse_config(seeds.config_yaml, "seed")))]
    return "\0".join(f"{rng.choice(keys)}={rng.choice(VALUES)}" for _ in range(rng.choice((1, 1, 2)))).encode()


def _dotted(tree: dict[str, Any], prefix: str = "") -> Any:
    for key, value in tree.items():
        yield prefix + key, value
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")


def _override(path: Path, seeds: Seeds) -> None:
    config = load_config(seeds.config, path.read_text(encoding="utf-8").split("\0"))
    assert parse_config(dump_config(config), "again") == config


def _read_image(path: Path) -> None:
    for read in (read_size, read_image):
        try:
            result: Any = read(path)
        except InputError:
            continue
        if isinstance(result, np.ndarray):
            assert result.ndim == 3
            assert result.dtype == np.uint8


def _checkpoint(seeds: Seeds, rng: random.Random) -> bytes:
    """Alters the description or any byte of a checkpoint without parameters, mostly with a right checksum."""
    content = seeds.checkpoint.read_bytes()
    info = json.dumps(seeds.info).encode()
    _, described = checkpoint_file.split(content, info)
    match rng.randrange(10):
        case 0:
            return mutate_bytes(checkpoint_file.sealed(described), rng)
        case 1 | 2 | 3:
            return checkpoint_file.sealed(mutate_bytes(described, rng))
        case _:
            return checkpoint_file.sealed(checkpoint_file.entry(mutate_json(seeds.info, rng)))


def _open(path: Path) -> None:
    checkpoint = load_checkpoint(path)
    parse_config(checkpoint.info.config_yaml, "a checkpoint")


def _read_mindrecord(path: Path, valid: bytes, seeds: Seeds) -> None:
    altered = (seeds.root / f"part{path.suffix}").read_bytes()
    path.write_bytes(altered)
    try:
        _use(read_mindrecord(folder=path.parent))
    finally:
        path.write_bytes(valid)
