"""Threads beside the device: order, overlap, errors, and an end whenever the consumer stops."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from mindrcnn.concurrency import READY, prefetch, run_behind

COUNT = 7


def doubled(items: Iterable[int]) -> Iterator[int]:
    return run_behind(lambda item: 2 * item, items)


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("prefetch", "run_behind"))]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert our_threads() == []


@pytest.mark.parametrize("count", [0, 1, READY, COUNT])
def test_everything_in_order(count: int) -> None:
    assert list(prefetch(range(count))) == list(range(count))
    assert list(doubled(range(count))) == [2 * item for item in range(count)]
    assert list(doubled(prefetch(range(count)))) == [2 * item for item in range(count)]


def test_ahead_makes_the_next_items_while_the_consumer_is_busy() -> None:
    made = [threading.Event() for _ in range(COUNT)]

    def items() -> Iterator[int]:
        for number in range(COUNT):
            made[number].set()
            yield number

    for number in prefetch(items()):
        assert all(event.wait(timeout=5) for event in made[: number + READY])
        assert not any(event.is_set() for event in made[number + READY + 1 :])


def test_behind_works_while_the_next_item_is_made() -> None:
    """Work on each item waits until the next one is asked for, which waits until that work has begun."""
    begun = [threading.Event() for _ in range(3)]
    asked = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number in range(3):
            asked[number].set()
            if number > 0:
                assert begun[number - 1].wait(timeout=5)
            yield number
        asked[3].set()

    def work(item: int) -> int:
        begun[item].set()
        assert asked[item + 1].wait(timeout=5)
        return item

    assert list(run_behind(work, items())) == [0, 1, 2]


def failing(items: Iterable[int]) -> Iterator[int]:
    for item in items:
        if item == 3:
            raise ValueError("item 3")
        yield item


def failing_work(item: int) -> int:
    if item == 3:
        raise ValueError("item 3")
    return item


@pytest.mark.parametrize(
    "make",
    [lambda: prefetch(failing(range(COUNT))), lambda: run_behind(failing_work, range(COUNT))],
    ids=["prefetch", "run_behind"],
)
def test_an_error_comes_in_its_place(make: Callable[[], Iterator[Any]]) -> None:
    results = make()
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3"):
        next(results)


def test_an_error_of_the_items_passes_through() -> None:
    with pytest.raises(ValueError, match="item 3"):
        list(doubled(failing(range(COUNT))))


@pytest.mark.parametrize("make", [prefetch, doubled])
def test_a_consumer_may_stop(make: Callable[[Iterable[int]], Iterator[int]]) -> None:
    results = make(range(10**9))
    assert next(results) == 0
    results.close()


INTERRUPTED = """
import time
from mindrcnn.concurrency import prefetch, run_behind
def work(item):
    print(item, flush=True)
    time.sleep(0.05)
for _ in run_behind(work, prefetch(range(10**9))):
    pass
"""


def test_an_interrupt_ends_the_program() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=600)
    assert process.returncode in (130, -signal.SIGINT)
    assert messages.rstrip().endswith("KeyboardInterrupt")
