from __future__ import annotations

import csv
import logging
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.nn import functional

from engines.errors import TrainingError
from tests.trainer.corpora import CPU, LABELS, TINY, TINY_RECIPE, turns, write_corpus
from trainer.networks.alexnet import AlexNet
from trainer.networks.c3d import C3D
from trainer.networks.fusion import FC
from trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from trainer.networks.initial import he_weights
from trainer.training import loop
from trainer.training.compute import limit_threads
from trainer.training.data import ClipSegments, Examples, MelSegments, PairSegments, Rows, face_rows, voice_rows
from trainer.training.loop import load_trained, train
from trainer.training.recipe import RECIPES, Schedule

FOUR_EPOCHS = replace(TINY_RECIPE.audio, epochs=4)
PAPER = replace(RECIPES["paper"].fusion, epochs=3)
SEED = 2**32 - 5


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    limit_threads(1)


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Examples]:
    """25 segments a modality: with batches of 12, one is left over in each epoch."""
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), turns(["ann", "bob"]))
    heard, seen = (Rows(rows.recording[:25], rows.segment[:25]) for rows in map_rows(corpus.segments))
    return {
        "audio": MelSegments(corpus.segments, heard, corpus.labels),
        "video": ClipSegments(corpus.segments, seen, corpus.labels),
        "fusion": pairs(),
    }


def map_rows(recordings: Any) -> tuple[Rows, Rows]:
    return voice_rows(recordings, "all"), face_rows(recordings)


def pairs(count: int = 70) -> PairSegments:
    """Pairs of embeddings, of whose classes the first three audio units know."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % len(LABELS)
    audio, video = (torch.rand(count, size, generator=generator) for size in (10, 8))
    audio[:, :3] += functional.one_hot(labels, 3)
    rows = Rows(torch.arange(count).numpy(), torch.zeros(count, dtype=torch.int64).numpy())
    return PairSegments(audio, video, rows, labels.numpy())


def fresh(role: str = "fusion", dropout: float = 0.3) -> Graph:
    """A network with the same initial weights each time."""
    torch.manual_seed(0)
    graph: Graph
    if role == "audio":
        blank = torch.zeros(3, TINY.audio.input_size, TINY.audio.input_size)
        graph = AudioGraph(AlexNet(3, TINY.audio), TINY.audio, blank - 4, blank + 5)
    elif role == "video":
        graph = VideoGraph(C3D(3, TINY.video), TINY.video, torch.full((1, 1, 1, 1), 110.0), 50.0)
    else:
        graph = FusionGraph(FC(3, 10, 8, replace(TINY.fusion, scaling="standard", dropout=dropout)), 10, 8)
    he_weights(graph.network, torch.Generator().manual_seed(0))
    return graph


def run(graph: Graph, examples: Examples, schedule: Schedule, place: Path, identity: str = "this") -> Graph:
    train(graph, examples, schedule, place, seed=SEED, compute=CPU, identity=identity)
    return graph


def same(first: Graph, second: Graph) -> bool:
    """Bit for bit."""
    one, other = first.state_dict(), second.state_dict()
    assert one.keys() == other.keys()
    return all(
        torch.equal(one[name], other[name]) if torch.is_tensor(one[name]) else one[name] == other[name] for name in one
    )


def before_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> list[int]:
    """Do something before that step of all that follow, from 0; the epochs of the steps that were begun."""
    original, epochs = loop._Classifier.training_step, []

    def step(self: loop._Classifier, batch: list[Any]) -> Tensor:
        epochs.append(self.current_epoch)
        if len(epochs) == number + 1:
            act()
        return original(self, batch)

    monkeypatch.setattr(loop._Classifier, "training_step", step)
    return epochs


def logged(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("role", "schedule"),
    [
        ("audio", FOUR_EPOCHS),
        ("video", FOUR_EPOCHS),
        ("audio", replace(PAPER, epochs=4, batch=12)),
        ("fusion", replace(PAPER, epochs=4)),
    ],
    ids=["audio-adamw", "video-adamw", "audio-sgd", "fusion-sgd"],
)
def test_an_interrupted_training_ends_with_the_same_bits(
    segments: dict[str, Examples], tmp_path: Path, role: str, schedule: Schedule
) -> None:
    whole = run(fresh(role), segments[role], schedule, tmp_path / "whole")
    steps = len(logged(tmp_path / "whole" / "log-1"))
    assert steps == schedule.epochs
    place = tmp_path / "parts"
    in_an_epoch = -(-len(segments[role]) // schedule.batch) - (len(segments[role]) % schedule.batch == 1)
    for times, epoch in enumerate((2, 3)):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
            stop_at = in_an_epoch * (epoch - 2 * times) + 1  # the second step of that epoch
            begun = before_step(monkeypatch, stop_at, _raise(InterruptedError("lights out")))
            with pytest.raises(TrainingError, match="lights out"):
                run(fresh(role), segments[role], schedule, place)
        assert (begun[0], begun[-1]) == (2 * times, epoch)
    assert not load_trained(fresh(role), place, "this")
    assert same(run(fresh(role), segments[role], schedule, place), whole)
    assert [row["epoch"] for row in logged(place / "log-3")] == ["3"]
    read = fresh(role)
    assert load_trained(read, place, "this")
    assert same(read, whole)
    assert sorted(file.name for file in place.iterdir()) == ["identity", "log-1", "log-2", "log-3", "weights.pt"]


def _raise(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


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
        before_step(monkeypatch, 1, _raise(InterruptedError("lights out")))
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
        before_step(monkeypatch, 4, _raise(InterruptedError("lights out")))
        with pytest.raises(TrainingError, match="lights out"):
            run(fresh(), pairs(), PAPER, checkpoint.parent)
    saved = checkpoint.read_bytes()
    for damaged in (saved[: len(saved) // 2], b"", b"no checkpoint", saved.replace(b"PK", b"KP")):
        checkpoint.write_bytes(damaged)
        caplog.clear()
        with pytest.MonkeyPatch.context() as monkeypatch:
            begun = before_step(monkeypatch, 99, _raise(AssertionError("too many steps")))
            assert same(run(fresh(), pairs(), PAPER, checkpoint.parent), whole)
        assert len(begun) == 9
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(f"{checkpoint} is damaged (")
        assert not checkpoint.exists()
        (checkpoint.parent / "weights.pt").unlink()


@pytest.mark.parametrize("rate", [1e30, float("nan")])
def test_a_loss_that_is_no_number_names_network_epoch_and_remedy(tmp_path: Path, rate: float) -> None:
    message = rf"the loss of the fusion network is (nan|inf) in epoch [12] \(.*dbn\); use a lower rate than {rate}, or"
    with pytest.raises(TrainingError, match=message.replace("+", r"\+")):
        run(fresh(), pairs(), replace(PAPER, rate=rate), tmp_path / "dbn")
    assert not load_trained(fresh(), tmp_path / "dbn", "this")


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
    (tmp_path / "full" / "weights.pt.part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"work in .*full stops: .*No space left on device; mend that"):
        run(fresh(), pairs(), PAPER, tmp_path / "full")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"work in .*file/dbn stops: .*Not a directory"):
        run(fresh(), pairs(), PAPER, tmp_path / "file" / "dbn")


@pytest.mark.parametrize("role", ["audio", "video"])
def test_frozen_convolutions_and_their_statistics_keep_every_bit(
    segments: dict[str, Examples], tmp_path: Path, role: str
) -> None:
    before, trained = fresh(role).state_dict(), fresh(role)
    run(trained, segments[role], replace(FOUR_EPOCHS, epochs=1, freeze_convolutions=True), tmp_path)
    frozen, changed = set(), set()
    for name, module in trained.network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.BatchNorm2d | nn.BatchNorm3d):
            frozen |= {f"network.{name}.{each}" for each in module.state_dict()}
    after = trained.state_dict()
    changed = {name for name in before if torch.is_tensor(before[name]) and not torch.equal(before[name], after[name])}
    assert len(frozen) == (5 if role == "audio" else 8) * 7
    assert not frozen & changed
    dense = {name for name in before if name.startswith(("network.classifier", "network.fc"))}
    assert len(dense) == 6
    assert changed == dense
    free = run(fresh(role), segments[role], replace(FOUR_EPOCHS, epochs=1), tmp_path, "free").state_dict()
    assert all(not torch.equal(before[name], free[name]) for name in frozen)


def test_the_papers_setting_equals_a_loop_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, epochs in (("audio", 300), ("video", 400), ("fusion", 100)):
        expected = Schedule("sgd", rate=0.001, batch=30, epochs=epochs, momentum=0.9)
        assert getattr(RECIPES["paper"], name) == expected
    batches: list[tuple[list[Tensor], Tensor]] = []
    found: list[float] = []
    original = loop._Classifier.training_step

    def record(self: loop._Classifier, batch: list[Any]) -> Tensor:
        loss = original(self, batch)
        batches.append((batch[0], batch[1]))
        found.append(loss.item())
        return loss

    monkeypatch.setattr(loop._Classifier, "training_step", record)
    trained = run(fresh(dropout=0.0), pairs(), PAPER, tmp_path)

    assert [len(labels) for _, labels in batches] == [30, 30, 10] * 3
    orders = [torch.cat([batch[0][0] for batch in batches[i : i + 3]]) for i in (0, 3, 6)]
    for order in orders:  # every segment once an epoch
        assert torch.equal(order.sort(dim=0).values, pairs().audio.sort(dim=0).values)
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])

    by_hand = fresh(dropout=0.0).train()
    parameters = list(by_hand.parameters())
    speeds = [torch.zeros_like(each) for each in parameters]
    for (inputs, labels), loss in zip(batches, found, strict=True):
        mine = -by_hand.logits(*inputs).log_softmax(1)[range(len(labels)), labels].mean()
        assert loss == pytest.approx(float(mine.detach()), rel=1e-6)
        slopes = torch.autograd.grad(mine, parameters)
        with torch.no_grad():
            for each, speed, slope in zip(parameters, speeds, slopes, strict=True):
                speed.mul_(0.9).add_(slope)
                each.sub_(0.001 * speed)
    for name, expected in by_hand.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], expected, rtol=1e-5, atol=1e-7)
    means = [
        sum(size * loss for size, loss in zip((30, 30, 10), found[i : i + 3], strict=True)) / 70 for i in (0, 3, 6)
    ]
    assert [float(row["loss"]) for row in logged(tmp_path / "log-1")] == pytest.approx(means, rel=1e-5)


def test_a_one_cycle_rises_and_falls_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    original = loop._Classifier.training_step

    def record(self: loop._Classifier, batch: list[Any]) -> Tensor:
        rates.append(self.optimizers().param_groups[0]["lr"])
        return original(self, batch)

    monkeypatch.setattr(loop._Classifier, "training_step", record)
    run(fresh(), pairs(61), replace(PAPER, epochs=10, one_cycle=True), tmp_path)
    assert len(rates) == 20  # the one segment left over in each epoch makes no batch
    assert max(rates) == rates[3] == rates[4] == 0.001
    assert rates[:4] == pytest.approx([0.00025, 0.0005, 0.00075, 0.001])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert 0 < rates[-1] < 0.00002


def test_few_segments_are_learnt_by_heart_and_the_logs_show_it(tmp_path: Path) -> None:
    schedule = replace(TINY_RECIPE.fusion, rate=0.02, epochs=30, label_smoothing=0.0)
    graph = run(fresh(dropout=0.0), pairs(24), schedule, tmp_path)
    few = pairs(24)
    with torch.inference_mode():
        assert torch.equal(graph.eval().logits(few.audio, few.video).argmax(1), torch.from_numpy(few.labels))
    rows = logged(tmp_path / "log-1")
    assert [int(row["epoch"]) for row in rows] == list(range(30))
    assert float(rows[-1]["loss"]) < 0.1 < 0.9 < float(rows[0]["loss"])
    assert float(rows[-1]["accuracy"]) == 1.0
    board = EventAccumulator(str(tmp_path / "log-1"))
    board.Reload()
    assert [event.value for event in board.Scalars("loss")] == pytest.approx([float(row["loss"]) for row in rows])
    assert {"loss", "accuracy", "epoch"} <= set(board.Tags()["scalars"])


def test_an_unfamiliar_cluster_around_it_is_none_of_its_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SLURM_NTASKS": "8",
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "folds",
        "SLURM_PROCID": "3",
    }.items():
        monkeypatch.setenv(name, value)
    assert same(run(fresh(), pairs(), PAPER, tmp_path / "there"), _without_slurm(monkeypatch, tmp_path / "here"))


def _without_slurm(monkeypatch: pytest.MonkeyPatch, place: Path) -> Graph:
    monkeypatch.undo()
    return run(fresh(), pairs(), PAPER, place)
