"""Background threads: `prefetch` and `run_behind` use one each, `map_ordered` a pool.

Results come in the order of the items. An error in a thread is raised where its result is due. However the consumer
stops (break, exception, Ctrl-C), pending work is dropped and the thread ends after its current item.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")

READY = 2  # items that `prefetch` keeps ready or in progress

_END: Any = object()


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Yields the items, which a thread produces while the consumer works on earlier ones."""
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
    """Yields work(item) for each item; a thread does the work while `items` produces the next one."""
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
    """Yields make(item) for each item, in order.

    An exception in `make` is raised where its result is due.

    make: called in a worker thread.
    items: in the order of the results.
    workers: number of threads; with 0 each result is made when it is asked for.
    prefetch: number of results ready or in progress, at least the number of workers.
    """
    if workers == 0:
        yield from map(make, items)
        return
    # OpenCV's own threads would compete with these and with the network's for the same cores.
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
