"""Work in several processes, of which some fail, some die, and some are interrupted."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import psutil
import pytest

from emostream.engines.errors import DataError, TrainingError
from emostream.trainer.processes import Outcome, each_in_processes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX")

FOREVER_S = 100.0


def square(number: int) -> int:
    return number * number


def only_even(number: int) -> int:
    if number % 2:
        raise DataError(f"{number} is odd; give even numbers")
    return number


def bug_or_sleep(number: int) -> None:
    if number == 1:
        time.sleep(0.3)  # until the other sleeps
        raise ZeroDivisionError
    time.sleep(FOREVER_S)


def process(_: int) -> tuple[int, int]:
    time.sleep(0.2)
    return os.getpid(), cv2.getNumThreads()


def die_on_two(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_once(folder: Path, number: int) -> int:
    if number == 2 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hang_once(folder: Path, number: int) -> int:
    if number == 2 and not list(folder.iterdir()):
        note_and_sleep(folder, number)
    return number


def note_and_sleep(folder: Path, number: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(0.0 if number == 0 else FOREVER_S)


def begin_and_sleep(folder: Path, number: int) -> None:
    (folder / f"item {number}").touch()
    time.sleep(0.0 if number == 0 else FOREVER_S)


def by_item(outcomes: list[Outcome[int, int]]) -> dict[int, int | None]:
    found = {outcome.item: outcome.value for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found


def wait_until(what: object, seconds: float = 20.0) -> None:
    assert callable(what)
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def children() -> set[int]:
    """Processes of this one that do work."""
    return {child.pid for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What is logged; once a command has run in this process, that goes to stderr alone."""
    monkeypatch.setattr(logging.getLogger("emostream"), "propagate", True)
    return caplog


def test_one_process_works_in_order() -> None:
    outcomes = list(each_in_processes(square, [3, 1, 2], jobs=1))
    assert outcomes == [Outcome(3, 9, None), Outcome(1, 1, None), Outcome(2, 4, None)]


def test_several_processes_with_one_thread_each() -> None:
    outcomes = list(each_in_processes(process, range(6), jobs=2))
    assert {outcome.item for outcome in outcomes} == set(range(6))
    values = [outcome.value for outcome in outcomes if outcome.value]
    assert len({pid for pid, _ in values} - {os.getpid()}) == 2
    assert {threads for _, threads in values} == {1}
    assert not children()


def test_nothing_to_do() -> None:
    assert list(each_in_processes(square, [], jobs=2)) == []


def test_an_error_costs_its_item_alone() -> None:
    outcomes = list(each_in_processes(only_even, [1, 2, 3, 4], jobs=2))
    assert by_item(outcomes) == {1: None, 2: 2, 3: None, 4: 4}
    errors = {outcome.item: str(outcome.error) for outcome in outcomes if outcome.error}
    assert errors == {1: "1 is odd; give even numbers", 3: "3 is odd; give even numbers"}
    assert all(isinstance(outcome.error, DataError | None) for outcome in outcomes)


def test_a_defect_ends_everything_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        list(each_in_processes(bug_or_sleep, [0, 1, 2], jobs=2))
    assert time.monotonic() - begun < FOREVER_S / 4
    wait_until(lambda: not children())


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_worker_costs_its_item_alone(jobs: int, log: pytest.LogCaptureFixture) -> None:
    outcomes = list(each_in_processes(die_on_two, range(5), jobs=jobs, name=lambda item: f"item {item}"))
    assert by_item(outcomes) == {0: 0, 1: 1, 2: None, 3: 3, 4: 4}
    (error,) = (outcome.error for outcome in outcomes if outcome.error)
    assert isinstance(error, TrainingError)
    assert str(error).startswith("item 2: its worker was killed twice; ")
    assert "--jobs" in str(error)
    (warning,) = log.messages
    assert "item 2" in warning
    assert "trying again" in warning


def test_a_worker_killed_once_costs_nothing(tmp_path: Path) -> None:
    outcomes = list(each_in_processes(partial(die_once, tmp_path), range(5), jobs=2))
    assert by_item(outcomes) == {number: number for number in range(5)}
    assert (tmp_path / "died").exists()


def test_a_worker_killed_while_an_outcome_is_looked_at(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """The pool is broken by the time it is to take item 3, which must not be lost."""
    found = []
    for outcome in each_in_processes(partial(hang_once, tmp_path), [1, 2, 3, 4], jobs=2):
        found.append(outcome)
        if outcome.item == 1:
            wait_until(lambda: list(tmp_path.iterdir()))
            (worker,) = tmp_path.iterdir()
            os.kill(int(worker.name), signal.SIGKILL)
            time.sleep(0.5)  # until the pool has noticed
    assert by_item(found) == {1: 1, 2: 2, 3: 3, 4: 4}
    assert log.messages == ["a worker was killed while it worked on 2: trying again"]


def test_breaking_off_ends_the_processes(tmp_path: Path) -> None:
    begun = time.monotonic()
    for outcome in each_in_processes(partial(begin_and_sleep, tmp_path), range(4), jobs=2):
        assert outcome.item == 0
        wait_until((tmp_path / "item 1").exists)  # whichever process takes it
        break
    assert time.monotonic() - begun < FOREVER_S / 4
    wait_until(lambda: not children())


SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from tests.trainer.test_processes import note_and_sleep
from emostream.trainer.processes import each_in_processes
try:
    list(each_in_processes(partial(note_and_sleep, Path(sys.argv[1])), [1, 2, 3], jobs=3))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("how", ["the terminal", "the parent alone", "killed"])
def test_processes_end_with_their_parent(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 3)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        if how == "the terminal":  # Ctrl-C reaches every process
            os.killpg(parent.pid, signal.SIGINT)
        else:
            parent.send_signal(signal.SIGKILL if how == "killed" else signal.SIGINT)
        out, err = parent.communicate(timeout=20)
    wait_until(lambda: not any(map(psutil.pid_exists, workers)))
    if how != "killed":
        assert (out, err, parent.returncode) == ("interrupted\n", "", 0)
