"""Conversion of a data set into a folder of MindRecord files, shard by shard in several processes.

A shard is written into a folder of its own, moved to its place when it is whole, and marked as finished by its columns.
A conversion that was stopped continues with the shards that are missing or damaged.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.data.formats.coco.format import CocoFormat
from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.mindrecord.manifest import (
    INDEX,
    VERSION,
    Manifest,
    ShardEntry,
    are_columns,
    columns_file,
    is_index,
    read_columns,
    write_columns,
    write_manifest,
)
from mindrcnn.data.formats.mindrecord.shard import Addresses, image_size, is_shard, write_shard
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.data.progress import ProgressLine
from mindrcnn.data.record import Dataset, Record
from mindrcnn.errors import InputError
from mindrcnn.hashing import file_sha256
from mindrcnn.outputs import Output, protect

SHARD_BYTES = 1 << 30  # at this size a shard costs about 2 % more than its images
POLL_SECONDS = 0.5  # between two reads of the count of images


@dataclass(frozen=True, kw_only=True)
class Source:
    """The data set to convert. Each process reads it again, because an open file cannot be passed on."""

    files: SplitFiles
    format: DataFormat = field(default_factory=CocoFormat)
    classes: tuple[str, ...] = ()
    ignore_other_categories: bool = False

    def read(self) -> Dataset:
        """Returns the data set as training reads it. Raises InputError for data that is converted already."""
        index = self.files.annotations / INDEX
        if paths.is_file(index) and is_index(index):
            raise InputError(f"{self.files.annotations}: wanted annotations to convert, got MindRecord files")
        return self.format.read(self.files, classes=self.classes, ignore_other_categories=self.ignore_other_categories)

    def key(self) -> str:
        """Returns the identity of the source: the annotations' checksum, and the settings that labels depend on."""
        left_out = " skip_missing" if self.files.skip_missing else ""
        if isinstance(self.format, ToolFormat):
            checksum = self.format.checksum(self.files)
        else:
            checksum = file_sha256(self.files.annotations).hex()
        return f"{checksum} {list(self.classes)} {self.ignore_other_categories}{left_out}"


@dataclass(frozen=True)
class Job:
    """The images from `start` to `end`, written as the shard `path`."""

    path: Path
    start: int
    end: int

    def outputs(self) -> list[Output]:
        """Returns the files of the shard."""
        shard, columns = Output(self.path, is_shard), Output(columns_file(self.path), are_columns)

        def is_shard_index(_: Path) -> bool:  # it looks like that of any other shard, so its neighbours say
            return any(paths.exists(one.path) and one.is_ours(one.path) for one in (shard, columns))

        return [shard, Output(_index(self.path), is_shard_index), columns]


@dataclass(frozen=True)
class Outcome:
    """A finished conversion, and the number of its shards that existed before."""

    manifest: Manifest
    kept: int


def convert(source: Source, out: Path, *, shards: int | None, workers: int, force: bool = False) -> Outcome:
    """Writes the data set into a folder.

    source: the data set.
    out: the folder.
    shards: number of MindRecord files; None is one for each SHARD_BYTES of images.
    workers: processes; 0 converts in this one.
    force: whether files of others may be replaced.
    Raises InputError for mistakes in the source, an image that cannot be read and a full disk.
    """
    dataset = source.read()
    _require_small_ids(dataset)
    if shards is None:
        shards = 1 + sum(image_size(record) for record in dataset.records) // SHARD_BYTES
    shards = min(shards, len(dataset.records))
    key = source.key()
    jobs = [
        Job(out / f"shard-{index:05d}-of-{shards:05d}.mindrecord", start, end)
        for index, (start, end) in enumerate(_even_parts(len(dataset.records), shards))
    ]
    try:
        paths.make_folder(out)
        finished = {job: entry for job in jobs if (entry := _finished(job, key)) is not None}
        kept = len(finished)
        todo = [job for job in jobs if job not in finished]
        protect([output for job in todo for output in job.outputs()], force=force)
        for job in todo:
            columns_file(job.path).unlink(missing_ok=True)
        finished.update(zip(todo, _write_all(source, dataset, key, todo, workers), strict=True))
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    manifest = Manifest(
        source=key,
        classes=dataset.classes,
        category_ids=dataset.category_ids,
        shards=tuple(finished[job] for job in jobs),
    )
    write_manifest(out, manifest)
    return Outcome(manifest, kept)


def _require_small_ids(dataset: Dataset) -> None:
    """Raises InputError for an image id that MindRecord's int64 cannot hold."""
    for record in dataset.records:
        if not -(2**63) <= record.image_id < 2**63:
            raise InputError(
                f"{dataset.annotation_file}: image id {record.image_id}: wanted one of at most {2**63 - 1}, which "
                f"MindRecord can hold"
            )


def _even_parts(count: int, parts: int) -> list[tuple[int, int]]:
    bounds = [count * index // parts for index in range(parts + 1)]
    return list(itertools.pairwise(bounds))


def _finished(job: Job, key: str) -> ShardEntry | None:
    """Returns the entry of a finished shard with matching checksums and source; else None."""
    try:
        about, _ = read_columns(job.path)
        same = about.pop("version") == VERSION and about.pop("source") == key
        entry = ShardEntry(**about)
        if not same or entry.images != job.end - job.start:
            return None
        sums = file_sha256(job.path).hex(), file_sha256(_index(job.path)).hex()
    except (InputError, OSError, KeyError, TypeError):
        return None
    return entry if sums == (entry.sha256, entry.index_sha256) else None


def _write_all(source: Source, dataset: Dataset, key: str, jobs: Sequence[Job], workers: int) -> list[ShardEntry]:
    progress = ProgressLine(sum(job.end - job.start for job in jobs), what="images")
    if workers == 0 or not jobs:
        done = 0

        def count(images: int) -> None:
            nonlocal done
            done += images
            progress.update(done)

        entries = [_write(dataset, source.files.images, key, job, count) for job in jobs]
    else:
        entries = _write_in_processes(source, key, jobs, workers, progress)
    progress.close()
    return entries


def _write_in_processes(
    source: Source, key: str, jobs: Sequence[Job], workers: int, progress: ProgressLine
) -> list[ShardEntry]:
    # spawned, not forked: MindSpore's threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=_start_process, initargs=(source, key, counter)
    )
    try:
        # Inherited by the processes: Ctrl-C while they import would be a traceback of each.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            futures = [pool.submit(_write_in_process, job) for job in jobs]
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        waiting = set(futures)
        while waiting:
            ended, waiting = wait(waiting, timeout=POLL_SECONDS)
            progress.update(counter.value)
            for future in ended:
                future.result()  # the first failure ends the conversion
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise InputError(f"{jobs[0].path.parent}: a process of the conversion was ended; start it again") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_process: dict[str, Any] = {}  # set by _start_process, read by _write_in_process


def _start_process(source: Source, key: str, counter: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is the parent's to report
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _process.update(dataset=source.read(), images=source.files.images, key=key, counter=counter)


def _end_with_parent() -> None:
    """Ends this process with its parent: one that is killed cannot do so, and the children would keep writing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_in_process(job: Job) -> ShardEntry:
    counter = _process["counter"]

    def count(images: int) -> None:
        with counter.get_lock():
            counter.value += images

    return _write(_process["dataset"], _process["images"], _process["key"], job, count)


def _write(dataset: Dataset, images: Path, key: str, job: Job, done: Callable[[int], None]) -> ShardEntry:
    """Writes one shard under a temporary name and moves it into place, its columns last."""
    records = dataset.records[job.start : job.end]
    names = [os.path.relpath(record.path, images) for record in records]
    folder = job.path.with_name(f".{job.path.stem}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        # its final file name, because MindRecord writes the name into the index
        temporary = folder / job.path.name
        addresses = write_shard(temporary, records, names, done=done)
        entry = ShardEntry(
            file=job.path.name,
            images=len(records),
            objects=sum(len(record.labels) for record in records),
            bytes=temporary.stat().st_size,
            sha256=file_sha256(temporary).hex(),
            index_bytes=_index(temporary).stat().st_size,
            index_sha256=file_sha256(_index(temporary)).hex(),
        )
        for written, place in ((temporary, job.path), (_index(temporary), _index(job.path))):
            written.chmod(folder.stat().st_mode & 0o666)  # MindSpore's are for their owner alone
            _flush(written)
            os.replace(written, place)
        write_columns(job.path, entry, key, _columns(records, names, addresses))
        return entry
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)


def _columns(records: Sequence[Record], names: Sequence[str], addresses: Addresses) -> dict[str, np.ndarray]:
    nothing = np.zeros((0, 4), dtype=np.float32)
    return {
        "names": np.array([os.fsencode(name) for name in names], dtype=np.bytes_),
        "image_ids": np.array([record.image_id for record in records], dtype=np.int64),
        "sizes": np.array([record.size for record in records], dtype=np.int32),
        "counts": np.array([len(record.labels) for record in records], dtype=np.int32),
        "boxes": np.concatenate([nothing, *(record.boxes for record in records)]),
        "labels": np.concatenate([nothing[:, 0].astype(np.int32), *(record.labels for record in records)]),
        "crowd": np.concatenate([nothing[:, 0].astype(bool), *(record.crowd for record in records)]),
        **asdict(addresses),
    }


def _index(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.db")


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
