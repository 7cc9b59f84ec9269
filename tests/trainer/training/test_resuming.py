from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emostream.engines.errors import TrainingError
from emostream.trainer.training import loop
from emostream.trainer.training.compute import Compute, limit_threads
from emostream.trainer.training.data import Examples
from emostream.trainer.training.loop import load_trained
from emostream.trainer.training.recipe import Schedule
from tests.trainer.training.runs import FOUR_EPOCHS, PAPER, before_step, fresh, logged, pairs, raising, run, same

VARIED = replace(FOUR_EPOCHS, balanced=True, mixup=0.4)


@pytest.mark.parametrize(
    ("role", "given", "schedule", "loaders"),
    [
        ("audio", "audio", FOUR_EPOCHS, 0),
        ("audio", "varied", VARIED, 0),
        ("audio", "varied", VARIED, 2),
        ("video", "video", FOUR_EPOCHS, 0),
        ("audio", "audio", replace(PAPER, epochs=4, batch=12), 0),
        ("fusion", "fusion", replace(PAPER, epochs=4), 0),
    ],
    ids=["audio-adamw", "audio-varied", "audio-varied-loaded", "video-adamw", "audio-sgd", "fusion-sgd"],
)
def test_an_interrupted_training_ends_with_the_same_bits(
    segments: dict[str, Examples],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    given: str,
    schedule: Schedule,
    loaders: int,
) -> None:
    examples = segments[given]
    whole = run(fresh(role), examples, schedule, tmp_path / "whole")
    monkeypatch.setattr(Compute, "loaders", loaders)
    steps = len(logged(tmp_path / "whole" / "log-1"))
    assert steps == schedule.epochs
    place = tmp_path / "parts"
    in_an_epoch = -(-len(examples) // schedule.batch) - (len(examples) % schedule.batch == 1)
    for times, epoch in enumerate((2, 3)):
        examples.epoch = 7  # what another process doesn't know
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
            stop_at = in_an_epoch * (epoch - 2 * times) + 1  # the second step of that epoch
            begun = before_step(monkeypatch, stop_at, raising(InterruptedError("lights out")))
            with pytest.raises(TrainingError, match="lights out"):
                run(fresh(role), examples, schedule, place)
        assert (begun[0], begun[-1]) == (2 * times, epoch)
    assert not load_trained(fresh(role), place, "this")
    assert same(run(fresh(role), examples, schedule, place), whole)
    assert [row["epoch"] for row in logged(place / "log-3")] == ["3"]
    read = fresh(role)
    assert load_trained(read, place, "this")
    assert same(read, whole)
    assert sorted(file.name for file in place.iterdir()) == ["identity", "log-1", "log-2", "log-3", "weights.pt"]


def _train_until_killed(place: Path) -> None:
    """What a process does that is killed in the third epoch."""
    limit_threads(1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
        before_step(monkeypatch, 7, lambda: os.kill(os.getpid(), signal.SIGKILL))
        run(fresh(), pairs(), replace(PAPER, epochs=4), place)


def test_a_killed_process_loses_an_epoch_at_most(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_train_until_killed, args=(tmp_path / "parts",))
    process.start()
    whole = run(fresh(), pairs(), replace(PAPER, epochs=4), tmp_path / "whole")
    process.join(100)
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / "parts" / "last.ckpt").is_file()
    assert [row["epoch"] for row in logged(tmp_path / "parts" / "log-1")] == ["0", "1"]
    assert same(run(fresh(), pairs(), replace(PAPER, epochs=4), tmp_path / "parts"), whole)
    assert [row["epoch"] for row in logged(tmp_path / "parts" / "log-2")] == ["2", "3"]


def test_sigterm_does_after_a_batch_what_it_did_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        begun = before_step(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            run(fresh(), pairs(), PAPER, tmp_path)
        assert caught == [signal.SIGTERM] * 2  # by Lightning, then as it would have been without
        assert len(begun) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_is_a_keyboard_interrupt_and_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before_step(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGINT))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(fresh(), pairs(), PAPER, tmp_path)
        before_step(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_training_in_the_place_of_one_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = run(fresh(), pairs(), PAPER, tmp_path)
    weights = tmp_path / "weights.pt"
    assert not load_trained(fresh(), tmp_path, "another")
    assert not load_trained(fresh(), tmp_path / "elsewhere", "this")
    with pytest.MonkeyPatch.context() as monkeypatch:
        before_step(monkeypatch, 1, raising(InterruptedError("lights out")))
        with pytest.raises(TrainingError, match="lights out"):
            run(fresh(), pairs(), PAPER, tmp_path, "another")
    assert not weights.exists()  # of an identity that is no longer here
    assert not load_trained(fresh(), tmp_path, "this")
    assert same(run(fresh(), pairs(), PAPER, tmp_path), first)
    assert [file.name for file in tmp_path.glob("log-*")] == ["log-1"]
    weights.write_bytes(weights.read_bytes()[:-2000])
    assert not load_trained(fresh(), tmp_path, "this")
    assert f"{weights} is damaged" in caplog.text


def test_a_damaged_checkpoint_is_told_and_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = run(fresh(), pairs(), PAPER, tmp_path / "whole")
    checkpoint = tmp_path / "parts" / "last.ckpt"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
        before_step(monkeypatch, 4, raising(InterruptedError("lights out")))
        with pytest.raises(TrainingError, match="lights out"):
            run(fresh(), pairs(), PAPER, checkpoint.parent)
    saved = checkpoint.read_bytes()
    for damaged in (saved[: len(saved) // 2], b"", b"no checkpoint", saved.replace(b"PK", b"KP")):
        checkpoint.write_bytes(damaged)
        caplog.clear()
        with pytest.MonkeyPatch.context() as monkeypatch:
            begun = before_step(monkeypatch, 99, raising(AssertionError("too many steps")))
            assert same(run(fresh(), pairs(), PAPER, checkpoint.parent), whole)
        assert len(begun) == 9
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(f"{checkpoint} is damaged (")
        assert not checkpoint.exists()
        (checkpoint.parent / "weights.pt").unlink()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of TensorBoard's writer
def test_a_full_disk_is_one_error_wherever_it_strikes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remedy = "stops: .*; mend that, such as by making room, then run the same command again"
    with room_for(3000), pytest.raises(TrainingError, match=rf"work in .*weights {remedy}"):
        run(fresh(), pairs(), replace(PAPER, epochs=1), tmp_path / "weights")
    assert not (tmp_path / "weights" / "weights.pt").exists()
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
    with room_for(3000), pytest.raises(TrainingError, match=rf"work in .*checkpoint {remedy}"):
        run(fresh(), pairs(), PAPER, tmp_path / "checkpoint")
    (tmp_path / "log").mkdir()
    with room_for(50), pytest.raises(TrainingError, match=rf"work in .*log {remedy}"):
        run(fresh(), pairs(), PAPER, tmp_path / "log")
    (tmp_path / "full").mkdir()
    save = torch.save
    with open("/dev/full", "wb", buffering=0) as full, monkeypatch.context() as patched:
        patched.setattr(torch, "save", lambda state, _: save(state, full))
        with pytest.raises(TrainingError, match=r"work in .*full stops: .*No space left on device; mend that"):
            run(fresh(), pairs(), PAPER, tmp_path / "full")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"work in .*file/dbn stops: .*Not a directory"):
        run(fresh(), pairs(), PAPER, tmp_path / "file" / "dbn")
