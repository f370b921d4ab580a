"""Threads beside the main one: `prefetch` and `run_behind` one each, `map_ordered` a pool of them.

Results come in the order of the items. An error of a thread is raised where its result is due; however the consumer
stops (break, exception, Ctrl-C), what waits is dropped and the thread ends with what it is at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")

READY = 2  # items that `prefetch` keeps ready or in the making

_END: Any = object()


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """The items, which a thread makes while the consumer is at earlier ones."""
    iterator = iter(items)
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
    try:
        pending: deque[Future[Item]] = deque(worker.submit(next, iterator, _END) for _ in range(READY))
        while (item := pending.popleft().result()) is not _END:
            pending.append(worker.submit(next, iterator, _END))
            yield item
    finally:
        worker.shutdown(wait=True, cancel_futures=True)


def run_behind(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """work(item) of each item, which a thread does while `items` makes the next one."""
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="run_behind")
    try:
        pending: Future[Result] | None = None
        for item in items:
            finished, pending = pending, worker.submit(work, item)
            if finished is not None:
                yield finished.result()
        if pending is not None:
            yield pending.result()
    finally:
        worker.shutdown(wait=True, cancel_futures=True)


def map_ordered(
    make: Callable[[Item], Result], items: Sequence[Item], *, workers: int, prefetch: int
) -> Iterator[Result]:
    """Yields make(item) for each item, in order. `workers` threads keep at most max(prefetch, workers) results ready or
    in the making; 0 workers makes each when it is asked for. An exception in `make` comes out as itself, in its place.
    However the consumer stops (break, exception, Ctrl-C), waiting work is cancelled and the threads end.
    """
    if workers == 0:
        yield from map(make, items)
        return
    # OpenCV's own threads would fight with these and with the network's for the same cores
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader", initializer=cv2.setNumThreads, initargs=(1,))
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(make, item))
            if len(pending) >= max(prefetch, workers):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
