"""The loop that trains one network: Lightning, with checkpoints that make a killed training go on as if nothing was.

Every epoch seeds its own shuffling, dropout and augmentation, so that going on from a checkpoint gives the weights
that an uninterrupted training gives, bit for bit on one CPU thread.
"""

from __future__ import annotations

import logging
import math
import pickle
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Sampler

from emostream.engines.errors import TrainingError
from emostream.engines.files import replace_file, replacing, unfinished_files
from emostream.trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from emostream.trainer.training.augment import mix, vary_clips, vary_mels
from emostream.trainer.training.compute import Compute, writing
from emostream.trainer.training.data import Example, Examples
from emostream.trainer.training.recipe import Schedule
from emostream.trainer.training.runtime import keep_memory, own_signals, quiet

__all__ = ["load_trained", "make_ready", "train"]

_log = logging.getLogger("emostream")
_WEIGHTS, _CHECKPOINT, _IDENTITY, _LOG = "weights.pt", "last.ckpt", "identity", "log"
_SAVE_EVERY_S = 60.0
_WARM_UP_SHARE = 0.2  # of a one-cycle schedule
_LARGEST_GRADIENT = 5.0  # norm; only AdamW from scratch ever comes near
_ConvolutionNorm = nn.BatchNorm2d | nn.BatchNorm3d


def train(
    graph: Graph,
    examples: Examples,
    schedule: Schedule,
    place: Path,
    *,
    seed: int,
    compute: Compute,
    identity: str,
) -> None:
    """Train a network in place, to minimise the softmax log-loss (paper, equations 2 and 3).

    Args:
        graph: the network with its preprocessing; trained on the CPU or moved where `compute` says.
        examples: the training fold's, two or more.
        schedule: how.
        place: folder of checkpoints, logs and the final weights. An interrupted training goes on.
        seed: of shuffling, dropout and augmentation.
        compute: where.
        identity: names the data and all settings; what another one left in `place` is replaced.

    Raises:
        TrainingError: the loss is not finite, or `place` can't be written.
    """
    keep_memory()
    with writing(place):
        _begin(place, identity)
        _run(graph, examples, schedule, place, seed, compute)
        _lay_out(graph.to("cpu"), {})
        with replacing(place / _WEIGHTS) as part, part.open("wb") as stream:
            torch.save(graph.state_dict(), stream)
        (place / _CHECKPOINT).unlink(missing_ok=True)


def load_trained(graph: Graph, place: Path, identity: str) -> bool:
    """Load the weights of a finished training; False where there is none of this identity, whole."""
    weights = place / _WEIGHTS
    if _identity(place) != identity or not weights.is_file():
        return False
    found = _whole(weights)
    if found is None:
        return False
    graph.load_state_dict(found)
    return True


def make_ready(graph: Graph, schedule: Schedule) -> None:
    """Freeze what is not trained, and lay the weights out for training, which is a third faster on a CPU."""
    if schedule.freeze_convolutions:
        for module in graph.network.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | _ConvolutionNorm):
                module.requires_grad_(False)
    _lay_out(graph, {4: torch.channels_last, 5: torch.channels_last_3d})


class _Classifier(lightning.LightningModule):
    """The training of one graph, as Lightning wants it."""

    def __init__(self, graph: Graph, schedule: Schedule, steps: int, seed: int, place: Path) -> None:
        super().__init__()
        self.graph, self._schedule, self._steps, self._seed, self._place = graph, schedule, steps, seed, place

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self._seed * 100_003 + self.current_epoch)
        if self._schedule.freeze_convolutions:
            for module in self.graph.network.modules():
                if isinstance(module, _ConvolutionNorm):
                    module.eval()

    def training_step(self, batch: list[Any]) -> Tensor:
        inputs, labels = batch
        prepared = self._prepared(inputs)
        if self._schedule.mixup:
            prepared, other, share = mix(prepared, self._schedule.mixup)
        logits = self.graph.network(*prepared).float()
        cross_entropy = partial(functional.cross_entropy, logits, label_smoothing=self._schedule.label_smoothing)
        if self._schedule.mixup:
            mixed = share * cross_entropy(labels, reduction="none")
            loss = (mixed + (1 - share) * cross_entropy(labels[other], reduction="none")).mean()
        else:
            loss = cross_entropy(labels)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of the {self.graph.role} network is {loss.item()} in epoch {self.current_epoch + 1} "
                f"({self._place}); use a lower rate than {self._schedule.rate}, or --precision 32-true"
            )
        found = (logits.argmax(1) == labels).float().mean()
        self.log_dict({"loss": loss, "accuracy": found}, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def _prepared(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        """What the network itself takes, varied at random if that is wanted."""
        if isinstance(self.graph, FusionGraph):
            return tuple(inputs)
        with torch.autocast(self.device.type, enabled=False):  # resize and statistics as exactly as in the bundle
            prepared = cast("AudioGraph | VideoGraph", self.graph).prepare(*inputs)
        if not self._schedule.augment:
            return (prepared,)
        return (vary_mels(prepared) if isinstance(self.graph, AudioGraph) else vary_clips(prepared),)

    def configure_optimizers(self) -> Any:
        schedule = self._schedule
        parameters = [each for each in self.graph.parameters() if each.requires_grad]
        if schedule.optimiser == "sgd":
            optimiser: torch.optim.Optimizer = torch.optim.SGD(
                parameters, schedule.rate, schedule.momentum, weight_decay=schedule.weight_decay
            )
        else:
            optimiser = torch.optim.AdamW(parameters, schedule.rate, weight_decay=schedule.weight_decay)
        if not schedule.one_cycle:
            return optimiser
        cycle = torch.optim.lr_scheduler.LambdaLR(optimiser, _cycle(self._steps))
        return [optimiser], [{"scheduler": cycle, "interval": "step"}]


class _Drawn(Sampler[int]):
    """An epoch's examples, in an order that epoch and seed alone decide.

    Every example once; or as many, of every class equally many on average, some of them twice and others not at all.
    """

    def __init__(self, examples: Examples, seed: int, balanced: bool) -> None:
        self._examples, self._seed = examples, seed
        counts = np.bincount(examples.labels)
        self._weights = torch.from_numpy(1.0 / counts[examples.labels]) if balanced else None

    def set_epoch(self, epoch: int) -> None:
        """Lightning says which epoch begins."""
        self._examples.epoch = epoch

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 100_003 + self._examples.epoch)
        if self._weights is None:
            drawn = torch.randperm(len(self), generator=generator)
        else:
            drawn = torch.multinomial(self._weights, len(self), replacement=True, generator=generator)
        yield from drawn.tolist()


class _Keep(Callback):
    """A checkpoint of the newest epoch, at most once a minute, replaced at once."""

    def __init__(self, file: Path) -> None:
        self._file, self._saved = file, time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if time.monotonic() - self._saved >= _SAVE_EVERY_S and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            with replacing(self._file) as part:
                trainer.save_checkpoint(part)
            self._saved = time.monotonic()


def _run(graph: Graph, examples: Examples, schedule: Schedule, place: Path, seed: int, compute: Compute) -> None:
    make_ready(graph, schedule)
    loader: DataLoader[Example] = DataLoader(
        examples,
        batch_size=schedule.batch,
        sampler=_Drawn(examples, seed, schedule.balanced),
        num_workers=compute.loaders,
        drop_last=len(examples) % schedule.batch == 1,  # batch normalisation needs two
        generator=torch.Generator(),  # the global one is the dropout's
    )
    module = _Classifier(graph, schedule, len(loader) * schedule.epochs, seed, place)
    checkpoint = place / _CHECKPOINT
    saved = _whole(checkpoint) if checkpoint.is_file() else None
    # Processes that load begin with the first epoch before Lightning says which one it is.
    examples.seed, examples.epoch = seed, saved["epoch"] + 1 if saved else 0
    logs = f"{_LOG}-{1 + sum(1 for _ in place.glob(f'{_LOG}-*'))}"  # one for each start: Lightning appends to none
    with quiet(), own_signals():
        trainer = lightning.Trainer(
            accelerator=compute.accelerator,
            devices=1,  # several GPUs train several folds
            precision=compute.precision,
            max_epochs=schedule.epochs,
            logger=[
                CSVLogger(place, name="", version=logs),
                TensorBoardLogger(place, name="", version=logs),
            ],
            callbacks=[_Keep(checkpoint)],
            plugins=[LightningEnvironment()],  # a cluster's own would be asked for as many tasks as there are folds
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=_LARGEST_GRADIENT if schedule.optimiser == "adamw" else None,
            log_every_n_steps=1,
        )
        trainer.fit(module, loader, ckpt_path=checkpoint if saved else None)


def _lay_out(graph: Graph, forms: dict[int, torch.memory_format]) -> None:
    """Lay the weights out in memory by their number of axes."""
    for weight in graph.parameters():
        weight.data = weight.data.contiguous(memory_format=forms.get(weight.dim(), torch.contiguous_format))


def _cycle(steps: int) -> Any:
    """Factor of the rate by step: up in a straight line, down along a cosine."""
    rise = max(1, round(_WARM_UP_SHARE * steps))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min((step - rise) / max(1, steps - rise), 1.0)))

    return factor


def _begin(place: Path, identity: str) -> None:
    """Make the folder ready: what another training left in it goes, and what a killed one had not finished."""
    place.mkdir(parents=True, exist_ok=True)
    for part in unfinished_files(place):
        part.unlink(missing_ok=True)
    if _identity(place) != identity:
        for name in (_WEIGHTS, _CHECKPOINT):
            (place / name).unlink(missing_ok=True)
        for logs in place.glob(f"{_LOG}-*"):
            shutil.rmtree(logs)
        replace_file(place / _IDENTITY, identity.encode())


def _identity(place: Path) -> str | None:
    try:
        return (place / _IDENTITY).read_text()
    except (OSError, ValueError):
        return None


def _whole(file: Path) -> dict[str, Any] | None:
    """What PyTorch saved; None, and a warning, where the file is damaged."""
    try:
        return cast("dict[str, Any]", torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, EOFError, RuntimeError, KeyError, ValueError, AttributeError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        _log.warning("%s is damaged (%s): the training begins anew", file, reason)
        return None
