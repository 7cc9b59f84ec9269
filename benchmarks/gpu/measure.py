"""Every way on every network at every batch size; what can't run says why, and the rest goes on."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import torch

from benchmarks.gpu.networks import Subject
from benchmarks.gpu.timing import AtBatch, Run
from benchmarks.gpu.ways import Way
from benchmarks.tables import quantile

__all__ = ["Row", "measure"]

_LONGEST = 200  # characters of a reason

Clock = Callable[[Run], list[float]]
"""Times a run some times: milliseconds each."""


@dataclass(frozen=True)
class Row:
    """One way on one network at one batch size.

    Attributes:
        way: its key.
        network: name of the subject.
        batch: segments at once.
        median_ms: of a run.
        p99_ms: of a run.
        runs: that were timed.
        reason: why there are no times; empty where there are.
    """

    way: str
    network: str
    batch: int
    median_ms: float | None = None
    p99_ms: float | None = None
    runs: int = 0
    reason: str = ""


def measure(ways: Sequence[Way], subjects: Sequence[Subject], batches: Sequence[int], clock: Clock) -> Iterator[Row]:
    """Time each way, network and batch size, one after the other.

    Args:
        ways: to run the networks.
        subjects: the networks.
        batches: sizes.
        clock: times a run.
    """
    for subject in subjects:
        for way in ways:
            if way.names and subject.name not in way.names:
                continue
            yield from _of_way(way, subject, batches, clock)
            _let_go()


def _of_way(way: Way, subject: Subject, batches: Sequence[int], clock: Clock) -> Iterator[Row]:
    """The rows of one way on one network. Whatever stands in its way, the others go on."""
    done = 0
    try:
        with ExitStack() as stack:
            at = way.open(subject, stack)
            for batch in batches:
                yield _timed(way, subject, batch, at, clock)
                done += 1
                _let_go()
    except Exception as error:  # noqa: BLE001 - it may be anything
        yield from (Row(way.key, subject.name, batch, reason=_reason(error)) for batch in batches[done:])


def _timed(way: Way, subject: Subject, batch: int, at: AtBatch, clock: Clock) -> Row:
    try:
        with ExitStack() as stack:
            times = sorted(clock(at(batch, stack)))
    except Exception as error:  # noqa: BLE001 - see above
        return Row(way.key, subject.name, batch, reason=_reason(error))
    return Row(way.key, subject.name, batch, statistics.median(times), quantile(times, 0.99), len(times))


def _reason(error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "the GPU has not enough memory"
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is not installed"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:_LONGEST]


def _let_go() -> None:
    """Give memory back that the next one may need."""
    gc.collect()
    if torch.cuda.is_available():
        with suppress(RuntimeError):  # after some failures the GPU refuses whatever it is asked
            torch.cuda.empty_cache()
