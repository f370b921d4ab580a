"""The readers of what programs write, share and list: runs, results, models, lists of images, the zoo's settings."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from fuzz.mutate import insert_parts, mutate_bytes, mutate_json, mutate_tree
from fuzz.seeds import Seeds
from fuzz.target import Target
from mindrcnn.check.report import check_run
from mindrcnn.config.loader import load_config
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.errors import InputError
from mindrcnn.exported.card import KEY, make_card
from mindrcnn.exported.opening import make_detector
from mindrcnn.exported.runtime import OpenedModel
from mindrcnn.migrate.program import migrate_file
from mindrcnn.published.page import render_json, render_text
from mindrcnn.published.table import read_table
from mindrcnn.report.thresholds import read_scores
from mindrcnn.tasks.report import Sources, write_run_report
from mindrcnn.tasks.report_writing import ReportOptions
from mindrcnn.tasks.results.json_lines import JsonLines
from mindrcnn.tasks.results.kinds import KINDS
from mindrcnn.tasks.results.replay import read_detections
from mindrcnn.tasks.results.result import Classes, Found, Plan
from mindrcnn.tasks.results.summary import Summary
from mindrcnn.tasks.sources.entry import Search
from mindrcnn.tasks.sources.search import Shard, find_entries

SHARE = 0.5
SLOW = 0.1  # of what reads images, or draws
TABLE = {
    "libraries": {"mine": {"licence": "MIT"}},
    "models": {
        "mine/one": {"url": "https://x.example/a.pth", "read": "a page", "box_ap": 37.9, "overrides": ["a.b=1"]},
        "mine/two": {
            "url": "https://x.example/b.pth",
            "read": "b",
            "kind": "backbone",
            "digest": "sha256:0123456789ab",
        },
    },
}
ZOO = b"""from easydict import EasyDict as ed
config = ed({"img_width": 64, "img_height": 64, "num_classes": 3, "anchor_scales": [8], "base_lr": 0.02 / 8,
  "coco_classes": ('background', 'person'), "rcnn_target_stds": [0.1, 0.1, 0.2, 0.2], "warmup_ratio": 1/3.0})
config.momentum = 0.9
"""
ZOO_PARTS = (
    *(b"9" * 5000, b"1e999", b"-" * 3000 + b"1", b"(" * 300, b"[" * 3000, b"1/0", b"10**10**10", b"2*" * 3000 + b"1"),
    *(b"'a' * 10**9", b"\0", b"\xff", b"ed(ed(ed()))", b"{**{}}", b"{1: 2}", b"None", b"f'{1}'", b"lambda: 0"),
    *(b"not " * 3000 + b"1", b"{'a': " * 200, b"1.0 * 1e308 * 1e308", b"\\", b"'''", b"config.x = config.y = 1\n"),
)
METRICS: list[dict[str, Any]] = [
    {"kind": "train", "step": 20 * row, "epoch": row / 4, "losses": {"loss_rpn_cls": 0.7, "loss_mask": None},
     "total": 3.0 - row / 20, "lr": 0.02, "grad_norm": 1.0, "images_per_s": 10.0, "data_wait": 0.1}
    for row in range(1, 41)
] + [{"kind": "eval", "step": 200 * row, "epoch": 1.0, "metrics": {"segm_AP": 0.5 - row / 20, "bbox_AP": 0.4,
      "bbox_AP50": 0.6}} for row in range(1, 5)]  # fmt: skip
CLASSES = {
    "bbox": {"per_class": [{"name": "a", "ap50": 0.0, "objects": 20}, {"name": "b", "ap50": 0.5, "objects": 30}]}
}
ZOO_TREE = {
    "img_width": 64, "num_classes": 3, "base_lr": "0.02 / 8", "coco_classes": ["background", "person"],
    "anchor_scales": [8], "bbox_head": {"loss_cls": {"loss_weight": 1.0}, "bbox_coder": {"target_stds": "(0.1, 0.2)"}},
}  # fmt: skip
ALL = Shard()
LINES = (
    *(b"*", b"**/*.png", b"~", b"~nobody/x", b"http://", b"http://[", b"file:///etc/passwd", b"https://x:99999/a.jpg"),
    *(
        b"-",
        b"0",
        b"/dev/zero",
        b"..",
        b"[",
        b"[!]",
        b"\xff.jpg",
        b"x" * 5000,
        b"a" * 255 + b".jpg",
        b"#",
        b"\xef\xbb\xbf",
    ),
    *(b"train", b"train/*", b"ftp://a/b", b"HTTP:///x", b"a://b", b"http://a b/\xff.mp4", b"http://h/..", b"\r", b"\t"),
)


def run_targets(seeds: Seeds) -> list[Target]:
    """Returns the targets that read one file in this process."""
    root = seeds.root / "runs"
    root.mkdir()
    run = _make_run(seeds, root / "run")
    rows, classes, results = run / "metrics.jsonl", run / "eval" / "metrics.json", run / "eval" / "results.json"
    scores = {"scores": {"a": 0.5, "b": 1}}

    def target(name: str, file: Path, alter: Any, check: Any, share: float = SHARE) -> Target:
        return Target(name, file, alter, partial(check, file), share)

    json_of = partial(partial, mutate_json)
    check = partial(_check, run, {file: file.read_bytes() for file in (rows, classes)})
    truth = partial(_report, seeds, root, root / "results.json")
    return [
        target("table", root / "t.yaml", partial(_yaml, TABLE), _read_table),
        target("card", root / "c.json", json_of(json.loads(_card(seeds))), _open_card),
        target("scores", root / "s.json", json_of(scores), read_scores),
        target("replay", root / "l.jsonl", partial(_lines, seeds), partial(_replay, seeds)),
        target("list", root / "l.txt", _list, partial(_find, seeds)),
        target("zoo_python", root / "z.py", _zoo, _migrate),
        target("zoo_yaml", root / "z.yaml", partial(_zoo_yaml, ZOO_TREE), _migrate),
        target("check", rows, _metrics, check, SLOW),
        target("check_classes", classes, json_of(CLASSES), check, SLOW),
        target("check_results", results, json_of(seeds.results), check, SLOW),
        target("report", root / "r.json", json_of(seeds.results), partial(_report_results, seeds, root), SLOW),
        target("report_truth", root / "a.json", json_of(seeds.coco), truth, SLOW),
    ]


def _make_run(seeds: Seeds, folder: Path) -> Path:
    """Writes a run folder."""
    (folder / "eval").mkdir(parents=True)
    shutil.copy(seeds.config, folder / "config.yaml")
    (folder / "metrics.jsonl").write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in METRICS))
    (folder / "eval" / "metrics.json").write_text(json.dumps(CLASSES), encoding="utf-8")
    (folder.parent / "results.json").write_text(json.dumps(seeds.results), encoding="utf-8")
    return folder


def _metrics(rng: random.Random) -> bytes:
    """Alters some rows."""
    rows = [mutate_tree(row, rng) if rng.random() < 0.05 else row for row in METRICS]
    return b"\n".join(json.dumps(row).encode() for row in rows)


def _check(run: Path, kept: dict[Path, bytes], file: Path) -> None:
    """Examines the run with its altered file, which is as before at the end."""
    try:
        check_run(run, ["data.workers=0"])
    finally:
        if file in kept:
            file.write_bytes(kept[file])
        else:
            file.unlink()


def _report_results(seeds: Seeds, root: Path, results: Path) -> None:
    _report(seeds, root, results, seeds.annotations)


def _report(seeds: Seeds, root: Path, results: Path, annotations: Path) -> None:
    out = root / "report"
    shutil.rmtree(out, ignore_errors=True)
    sources = Sources(source=results, annotations=annotations, images=seeds.images)
    write_run_report(sources, out, ReportOptions(resamples=2))


def _yaml(tree: dict[str, Any], rng: random.Random) -> bytes:
    try:
        text = dump_yaml(mutate_tree(tree, rng) if rng.random() < 0.7 else tree).encode()
    except ValueError:  # more digits, or half of a character, than can be written
        text = dump_yaml(tree).encode()
    return text if rng.random() < 0.6 else mutate_bytes(text, rng)


def _read_table(path: Path) -> None:
    rows = read_table.__wrapped__(path).values()
    render_text(rows)
    render_json(rows)


def _card(seeds: Seeds) -> str:
    config = load_config(seeds.config)
    return make_card(config, classes=("a", "b"), category_ids=(1, 2), batch=None).to_json()


def _open_card(path: Path) -> None:
    inputs: dict[str, list[object]] = {"images": ["n", 3, "h", "w"], "image_sizes": ["n", 2]}
    text = path.read_bytes().decode(errors="surrogateescape")
    make_detector(OpenedModel(lambda *_: (), {KEY: text}, inputs, "none"), (), path)


def _lines(seeds: Seeds, rng: random.Random) -> bytes:
    """Alters lines of predictions.jsonl, the first of which begins as those do."""
    mask = seeds.results[0]["segmentation"]
    image = seeds.coco["images"][0]
    box = {"x_min": 5.0, "y_min": 3.0, "width": 25.0, "height": 17.0}
    one = {"class": {"label": 1, "name": "a"}, "bbox": box, "score": 0.5, "mask": mask, "iou_score": 0.5}
    size = {"height": image["height"], "width": image["width"]}
    rows = [{"file": str(path), **size, "predictions": [one, one]} for path in sorted(seeds.images.iterdir())]
    return b"".join((mutate_json(row, rng) if rng.random() < 0.5 else json.dumps(row).encode()) + b"\n" for row in rows)


def _replay(seeds: Seeds, path: Path) -> None:
    """Does what a resumed inference does with the lines."""
    out = path.parent / "replayed"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    shutil.copy(path, out / "predictions.jsonl")
    entries = find_entries([str(seeds.images)], Search(), ALL)
    named = {one.entry.name: one for one in entries}
    plan, classes, summary = Plan(folder=out, entries=entries), Classes(("a", "b"), (1, 2)), Summary()
    with ExitStack() as stack:
        results = [kind(plan) for kind in KINDS.values()]
        adds = [stack.enter_context(one.open(classes)) for one in results if one.replays]

        def replay(key: Any, document: dict[str, Any]) -> None:
            if key[0] in named:
                detections = read_detections(document, classes, str(path))
                found = Found(named[key[0]], key[1], document.get("seconds"), None, detections)
                for add in (*adds, summary.add):
                    add(found)

        JsonLines(plan, settings={}).resume(lambda key: True, replay=replay)
    summary.lines()


def _list(rng: random.Random) -> bytes:
    separator = rng.choice((b"\n", b"\n", b"\r\n", b"\0"))
    lines = rng.choices(LINES, k=rng.choice((1, 1, 2, 5)))
    return separator.join(mutate_bytes(line, rng) if rng.random() < 0.5 else line for line in lines)


def _find(seeds: Seeds, path: Path) -> None:
    """Finds the images of a list and reads those on this machine."""
    os.chdir(seeds.root)  # what a pattern matches
    for named in find_entries([str(path)], Search(recursive=False), ALL):
        if named.entry.file is None:
            continue
        try:
            for item in named.items():
                item.image()
        except InputError:  # an image that cannot be read is skipped
            pass


def _zoo(rng: random.Random) -> bytes:
    return insert_parts(ZOO if rng.random() < 0.6 else mutate_bytes(ZOO, rng), ZOO_PARTS, rng)


def _zoo_yaml(tree: dict[str, Any], rng: random.Random) -> bytes:
    text = _yaml(tree, rng)
    return (
        text
        if rng.random() < 0.7
        else text + b"\n---\n" + _yaml({"base_lr": "note"}, rng) + b"\n---\n" + _yaml({}, rng)
    )


def _migrate(path: Path) -> None:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        migrate_file(path, out=None)
