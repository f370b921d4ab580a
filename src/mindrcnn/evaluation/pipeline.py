"""Host work beside the device's: one thread makes the next item ready, another works on the last one.

Results come in the order of the items. An error of a thread is raised where its result is due; however the consumer
stops (break, exception, Ctrl-C), what waits is dropped and the thread ends with what it is at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

READY = 2  # items that `ahead` keeps ready or in the making

_END: Any = object()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items, which a thread makes while the consumer is at earlier ones."""
    iterator = iter(items)
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")
    try:
        pending: deque[Future[Item]] = deque(worker.submit(next, iterator, _END) for _ in range(READY))
        while (item := pending.popleft().result()) is not _END:
            pending.append(worker.submit(next, iterator, _END))
            yield item
    finally:
        worker.shutdown(wait=True, cancel_futures=True)


def behind(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """work(item) of each item, which a thread does while `items` makes the next one."""
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="behind")
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
