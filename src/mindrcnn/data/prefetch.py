"""Runs a function over a list in threads, ahead of its consumer, and hands the results over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_ahead(
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
