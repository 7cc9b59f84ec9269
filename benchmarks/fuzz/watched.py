"""Many examples of a target in a child process that is watched: one that dies or hangs is found, with its input."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from hypothesis import HealthCheck, given, seed, settings

from benchmarks.fuzz.target import Case, Target
from benchmarks.fuzz.targets import TARGETS

__all__ = ["Outcome", "fuzz"]

_BATCH = 500  # examples; Hypothesis remembers those of one batch
_HANG_S = 20.0
_POLL_S = 0.5
_START_S = 120.0  # for the child's imports
_START_METHOD = "spawn"


@dataclass
class Outcome:
    """What became of a target's examples.

    Attributes:
        examples: that ran.
        taken: of them, how many were read as sound.
        seconds: that the checks took together.
        slowest_ms: the longest check.
        rss_mb: resident memory of the child after its first batch, and the largest after any batch.
        failures: what must not have happened, one line each, with the file that holds its input.
    """

    examples: int = 0
    taken: int = 0
    seconds: float = 0.0
    slowest_ms: float = 0.0
    rss_mb: tuple[float, float] = (0.0, 0.0)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Batch:
    """What the child says of a batch, or of its part before a failure."""

    number: int
    examples: int
    taken: int
    seconds: float
    slowest_ms: float
    rss_mb: float
    failure: str
    case: str


def fuzz(name: str, examples: int, inputs: Path, first_seed: int = 0) -> Outcome:
    """Run a target's examples.

    Args:
        name: of the target.
        examples: how many, at least.
        inputs: folder for those that fail.
        first_seed: of the first batch; each has the next one.
    """
    outcome, batches = Outcome(), -(-examples // _BATCH)
    size = min(examples, _BATCH)
    done = 0
    while done < batches:
        for batch in _watch(name, range(first_seed + done, first_seed + batches), size):
            done = batch.number - first_seed + 1
            outcome.examples += batch.examples
            outcome.taken += batch.taken
            outcome.seconds += batch.seconds
            outcome.slowest_ms = max(outcome.slowest_ms, batch.slowest_ms)
            first, most = outcome.rss_mb
            outcome.rss_mb = (first or batch.rss_mb, max(most, batch.rss_mb))
            if batch.failure:
                inputs.mkdir(parents=True, exist_ok=True)
                file = inputs / f"{name}-{batch.number}.txt"
                file.write_text(batch.case, encoding="utf-8")
                outcome.failures.append(f"{batch.failure} ({file.name})")
    return outcome


def _watch(name: str, numbers: range, size: int) -> Iterator[_Batch]:
    """Batches from a child, until the last, or until the child died or was ended for hanging."""
    context: Any = multiprocessing.get_context(_START_METHOD)
    with tempfile.TemporaryDirectory(prefix="emostream-fuzz-") as folder:
        ours, theirs = context.Pipe(duplex=False)
        begun = context.Value("d", time.monotonic() + _START_S, lock=False)
        child = context.Process(target=_work, args=(name, numbers, size, theirs, begun, folder), daemon=True)
        child.start()
        theirs.close()
        number = numbers.start
        while number < numbers.stop:
            try:
                if ours.poll(_POLL_S):
                    batch: _Batch = ours.recv()
                    number = batch.number + 1
                    yield batch
                    continue
            except EOFError:
                child.join()
                yield _lost(number, f"the process ended with code {child.exitcode}", folder)
                return
            if time.monotonic() - begun.value > _HANG_S:
                child.kill()
                child.join()
                yield _lost(number, f"no end within {_HANG_S:.0f} s", folder)
                return
        child.join()


def _lost(number: int, why: str, folder: str) -> _Batch:
    """Stands for a batch whose child did not come to say anything of it."""
    try:
        case = Path(folder, "current").read_text(encoding="utf-8")
    except OSError:
        case = "before the first example"
    return _Batch(number, 0, 0, 0.0, 0.0, 0.0, why, case)


def _work(name: str, numbers: range, size: int, out: Connection, begun: Any, folder: str) -> None:
    """The child: batches of examples, each told when it is over."""
    logging.getLogger("emostream").setLevel(logging.CRITICAL)
    os.environ["XDG_CACHE_HOME"] = tempfile.tempdir = folder  # OpenVINO keeps what it compiled; the parent removes it
    current = os.open(os.path.join(folder, "current"), os.O_CREAT | os.O_RDWR)
    for number in numbers:
        out.send(_run(name, number, size, current, begun))
        begun.value = time.monotonic()
    out.close()


def _target(name: str) -> Target:
    return TARGETS[name]


def _run(name: str, number: int, size: int, current: int, begun: Any) -> _Batch:
    target = _target(name)
    examples = taken = 0
    spent = slowest = 0.0
    case_text, failure = "", ""

    @seed(number)
    @settings(max_examples=size, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.cases())
    def check(case: Case) -> None:
        nonlocal examples, taken, spent, slowest, case_text
        case_text = repr(case)
        os.truncate(current, 0)
        os.pwrite(current, case_text.encode("utf-8", "backslashreplace"), 0)
        begun.value = started = time.monotonic()
        examples += 1
        taken += target.check(*case)
        took = time.monotonic() - started
        spent, slowest = spent + took, max(slowest, took)

    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for; the last case is the smallest
        failure = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
    rss = psutil.Process().memory_info().rss / 1e6
    return _Batch(number, examples, taken, spent, 1000 * slowest, rss, failure, case_text)
