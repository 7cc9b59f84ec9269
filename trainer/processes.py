"""Work on many things in several processes, of which any may die without taking the others' results along."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from threading import Thread
from typing import Generic, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from emostream.engines.errors import EmostreamError, TrainingError
from emostream.trainer.logs import log_to_stderr

__all__ = ["Outcome", "each_in_processes"]

_log = logging.getLogger("emostream")

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What came of one item: a value, or the error that says why not."""

    item: Item
    value: Value | None
    error: EmostreamError | None


def each_in_processes(
    work: Callable[[Item], Value],
    items: Sequence[Item],
    *,
    jobs: int,
    name: Callable[[Item], str] = str,
) -> Iterator[Outcome[Item, Value]]:
    """Do some work on each item in fresh processes, `jobs` at once, and give the outcomes as they come.

    A process that is killed costs nothing but its own item: those that were under way are tried again one by one,
    and the one that fails again is given with an error. An iteration that ends early ends the processes at once, and
    so does the end of this process, whatever ends it.

    Args:
        work: a function that other processes can import. What it raises of `EmostreamError` becomes an outcome;
            anything else ends the iteration.
        items: what it takes.
        jobs: processes.
        name: what an item is called in messages.
    """
    broken: list[Item] = []
    waiting = list(reversed(items))
    while waiting:
        running: dict[Future[Value], Item] = {}
        try:
            with _pool(jobs) as pool:
                while waiting or running:
                    while waiting and len(running) < jobs:
                        running[pool.submit(work, waiting[-1])] = waiting[-1]
                        waiting.pop()  # only now: a pool that has lost a worker takes nothing
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield _outcome(running[future], future)
                        del running[future]
        except BrokenProcessPool:
            names = ", ".join(map(name, running.values())) or "nothing"
            _log.warning("a worker was killed while it worked on %s: trying again", names)
            broken += running.values()
    for item in broken:
        yield _alone(work, item, name(item))


def _alone(work: Callable[[Item], Value], item: Item, name: str) -> Outcome[Item, Value]:
    try:
        with _pool(1) as pool:
            return _outcome(item, pool.submit(work, item))
    except BrokenProcessPool:
        reason = "its worker was killed twice; there may be too little memory: use fewer --jobs"
        return Outcome(item, None, TrainingError(f"{name}: {reason}"))


def _outcome(item: Item, future: Future[Value]) -> Outcome[Item, Value]:
    try:
        return Outcome(item, future.result(), None)
    except EmostreamError as error:
        return Outcome(item, None, error)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end when the block does: after their work, or at once where an exception ends it."""
    context = multiprocessing.get_context("spawn")  # forks of a process with threads may hang
    watched, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(watched,))
    with watched, held, pool:
        try:
            yield pool
        except BaseException:
            held.close()
            raise


def _begin(lifeline: connection.Connection) -> None:
    """Prepare a worker that ends when the other end of a pipe is closed, as it also is when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent answers it
    Thread(target=_end_with, args=(lifeline,), name="lifeline", daemon=True).start()
    log_to_stderr()
    cv2.setNumThreads(1)
    threadpool_limits(1, user_api="blas")  # of NumPy: its matrices here are small, and its threads wait busily


def _end_with(lifeline: connection.Connection) -> None:
    connection.wait([lifeline])
    os._exit(1)
