"""Writing of the page and its pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.browse.page import Entry, Section, page_html
from mindrcnn.browse.samples import Sample, Split, open_splits, require_classes
from mindrcnn.config.run import Config
from mindrcnn.data.progress import ProgressLine
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.errors import InputError
from mindrcnn.outputs import Output, protect

logger = logging.getLogger(__name__)

PAGE, PICTURES = "index.html", "pictures"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Page:
    """A page that has been written: its file, its pictures by their address, and the number of images by split."""

    file: Path
    pictures: dict[str, Path]
    images: dict[str, int]


def browse(
    config: Config,
    out: Path,
    *,
    splits: Sequence[str] = (),
    count: int,
    classes: Sequence[str] = (),
    seed: int | None = None,
    inputs: Sequence[Path] = (),
    force: bool = False,
) -> Page:
    """Writes index.html and pictures/ of some images of a data set into a folder.

    config: describes the data, the input sizes and the augmentation.
    out: the folder.
    splits: names of splits; empty: train and val, as far as the configuration has them.
    count: images of each split.
    classes: only images that have one of these.
    seed: chooses images and augmentation; None is `train.seed`, which shows what training sees in its first epoch.
    inputs: further files that must not be replaced.
    force: whether inputs and files of others may be replaced.
    """
    if seed is not None:
        config = replace(config, train=replace(config.train, seed=seed))
    opened = open_splits(config, splits or configured(config))
    require_classes(classes, opened[0].dataset.classes)
    chosen = [split.choose(count, classes=classes) for split in opened]
    planned = {
        (split.name, index, kind): f"{PICTURES}/{split.name}_{number:03d}_{kind}.jpg"
        for split, indices in zip(opened, chosen, strict=True)
        for number, index in enumerate(indices, start=1)
        for kind in ("raw", "network")
    }
    outputs = [Output(out / PAGE), *(Output(out / address) for address in planned.values())]
    protect(outputs, inputs=[*inputs, *(split.dataset.annotation_file for split in opened)], force=force)
    sections: list[Section] = []
    pictures: dict[str, Path] = {}
    progress, done = ProgressLine(sum(map(len, chosen)), what="images drawn"), 0
    for split, indices in zip(opened, chosen, strict=True):
        entries = []
        for index in indices:
            addresses = {kind: planned[split.name, index, kind] for kind in ("raw", "network")}
            entries.append(draw_entry(split, index, addresses, out))
            pictures |= {address: out / address for address in entries[-1].pictures.values()}
            done += 1
            progress.update(done)
        sections.append(Section(split.name, describe_split(split, len(entries), classes), entries))
    progress.close()
    write_text(out / PAGE, page_html(config.name, sections))
    return Page(out / PAGE, pictures, {section.name: len(section.entries) for section in sections})


def configured(config: Config) -> list[str]:
    """Returns those of train and val that the configuration describes."""
    named = {"train": config.data.train, "val": config.data.val}
    found = [name for name, split in named.items() if split.name or split.annotations]
    if not found:
        raise InputError("data.train: wanted a split name or an annotation file, got neither")
    return found


def draw_entry(split: Split, index: int, addresses: dict[str, str], out: Path) -> Entry:
    """Draws an image of a split into two files; an image that cannot be read is an entry that says why."""
    try:
        sample = split.sample(index)
    except InputError as error:
        logger.warning("%s", error)
        return Entry(split.loader.records[index].path.name, [str(error)])
    write_picture(out / addresses["raw"], sample.raw)
    write_picture(out / addresses["network"], sample.network)
    return Entry(sample.name, describe_sample(sample), addresses, list(sample.counts))


def describe_sample(sample: Sample) -> list[str]:
    """Returns lines about an image: its size and objects, and what the network gets of them."""
    (height, width), (valid_height, valid_width) = sample.size, sample.valid_size
    counts = ", ".join(f"{name} {number}" for name, number in sample.counts.items()) or "none"
    filled = valid_height * valid_width / (sample.input_size[0] * sample.input_size[1])
    shown = "" if sample.epoch is None else f", with the augmentation of epoch {sample.epoch}"
    return [
        f"{height} x {width} pixels (height x width); objects: {counts}",
        f"input {sample.input_size[0]} x {sample.input_size[1]}, of which the image fills {valid_height} x "
        f"{valid_width} ({filled:.0%}); {sample.objects} objects{shown}",
    ]


def describe_split(split: Split, shown: int, classes: Sequence[str]) -> str:
    """Returns a line about a split."""
    having = f" that have {' or '.join(classes)}" if classes else ""
    total = len(split.dataset.records)
    used = len(split.loader.records)
    left_out = f", {used} of which train" if used < total else ""
    return f"{split.dataset.annotation_file}: {total} images{left_out}; {shown} drawn at random{having}"
