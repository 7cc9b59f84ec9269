"""Greedy layer-wise pre-training of the deep belief network (paper, section III-B2, the first of its two steps).

The machines' rates, steps and schedule are not in the paper; the defaults follow Hinton, "A Practical Guide to
Training Restricted Boltzmann Machines" (2010).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from emostream.engines.errors import ConfigError, TrainingError
from emostream.trainer.fusion.rbm import RBM, BernoulliRBM, GaussianRBM, Gradient, cross_entropy, squared_error
from emostream.trainer.networks.fusion import DBN, STANDARD_LIMIT

__all__ = ["Fit", "LayerEpoch", "RBMRecipe", "pretrain"]

_EARLY_EPOCHS, _EARLY_MOMENTUM = 5, 0.5  # while gradients are steep (guide, section 9)
_CHUNK = 1024  # samples that pass through a layer at a time
_MEASURED = 2048


@dataclass(frozen=True)
class RBMRecipe:
    """How the restricted Boltzmann machines are trained.

    Attributes:
        epochs: for each machine.
        batch: samples in a mini-batch.
        rate: learning rate, as a fraction of the one at which a single update sets a visible unit's mean right;
            see `rate_of`.
        momentum: from the sixth epoch on; 0.5, or this if it is less, before.
        weight_decay: factor of the penalty |W|^2 / 2; biases are free.
        cd_steps: Gibbs steps of contrastive divergence.
        sample_visible: see `RBM.contrastive_divergence`. Noise of unit variance drowns inputs scaled to [0, 1]:
            with True the Gaussian machine learns hardly anything from them.
    """

    epochs: int = 30
    batch: int = 100
    rate: float = 0.5
    momentum: float = 0.9
    weight_decay: float = 2e-4
    cd_steps: int = 1
    sample_visible: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one is out of its range.
        """
        for name in ("epochs", "batch", "cd_steps"):
            _require(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        _require("rate", self.rate, 0 < self.rate < math.inf, "a positive number")
        _require("momentum", self.momentum, 0 <= self.momentum < 1, "0 or more, below 1")
        _require("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "0 or more")

    def rate_of(self, machine: RBM) -> float:
        """The learning rate of a machine, by its size: `rate` times 4 / H, for Bernoulli machines times 16 / H.

        All H hidden units, about half on, pull at each visible one. An update of learning rate r therefore changes
        its input by r H / 4 of the error of its mean, and the mean by as much, or for a sigmoid a quarter of it.
        Far beyond the whole error, updates overshoot: the Gaussian machine's weights explode, and the Bernoulli
        machine's hidden units are pushed off for good.
        """
        return self.rate * (4.0 if isinstance(machine, GaussianRBM) else 16.0) / len(machine.weight)


@dataclass(frozen=True)
class Fit:
    """How well a machine knows some data; means over samples.

    Attributes:
        cross_entropy: reconstruction error of equations 4 and 5, nats a unit; None for data outside of [0, 1].
        squared_error: squared reconstruction error a unit.
        free_energy: nats. Only differences mean something: held-out data rising above training data is overfitting.
    """

    cross_entropy: float | None
    squared_error: float
    free_energy: float


@dataclass(frozen=True)
class LayerEpoch:
    """One epoch of one layer.

    Attributes:
        layer: from 1, the Gaussian machine.
        epoch: from 1.
        rate: learning rate of this machine.
        train: after the epoch, on up to 2048 samples of the training data.
        held_out: the same on the held-out data, where there is any.
    """

    layer: int
    epoch: int
    rate: float
    train: Fit
    held_out: Fit | None


def pretrain(
    network: DBN,
    audio: Tensor,
    video: Tensor,
    recipe: RBMRecipe,
    seed: int,
    log: Callable[[LayerEpoch], None] | None = None,
    held_out: tuple[Tensor, Tensor] | None = None,
) -> list[LayerEpoch]:
    """Train one machine for each hidden layer, from the inputs up, and copy its weights into the network.

    The first is a Gaussian-Bernoulli machine on the scaled inputs; each further one a Bernoulli machine on the
    hidden means of the one below. It runs on the device of the network and leaves the global generators alone.

    Args:
        network: what is pre-trained, its scaling fitted; keeps its softmax layer.
        audio: embeddings of the training fold, [N, A], on any device.
        video: embeddings of the same segments, [N, V].
        recipe: how.
        seed: equal seeds give equal weights.
        log: called after each epoch.
        held_out: embeddings that are measured only, [M, A] and [M, V].

    Returns:
        Every epoch of every layer.

    Raises:
        TrainingError: the inputs, or what became of a machine, are no finite numbers. The layers below that
            machine are set, the others as they were.
    """
    generator = torch.Generator(network.output.weight.device).manual_seed(seed)
    data = _visible(network, audio, video)
    unseen = None if held_out is None else _spread(_visible(network, *held_out))
    if not data.mean(dim=0).isfinite().all():
        raise TrainingError(
            f"inputs of the fusion network, {len(data)} segments, are not all finite; expected finite embeddings: "
            "train the audio and video networks again, at a lower rate"
        )
    history: list[LayerEpoch] = []
    for number, layer in enumerate(cast("list[nn.Linear]", list(network.layers)), start=1):
        kind = GaussianRBM if number == 1 else BernoulliRBM
        bounded = network.clipped or number > 1
        machine = kind.fresh(data.mean(dim=0), layer.out_features, generator)
        known = _spread(data)
        for epoch in _train(machine, data, recipe, generator):
            train = _measure(machine, known, bounded)
            other = None if unseen is None else _measure(machine, unseen, bounded)
            entry = LayerEpoch(number, epoch, recipe.rate_of(machine), train, other)
            _refuse_divergence(entry, recipe, 1.0 if bounded else STANDARD_LIMIT**2)
            history.append(entry)
            if log is not None:
                log(entry)
        with torch.no_grad():
            layer.weight.copy_(machine.weight)
            layer.bias.copy_(machine.hidden_bias)
        data = torch.cat([machine.hidden_means(chunk) for chunk in torch.split(data, _CHUNK)])
        unseen = None if unseen is None else machine.hidden_means(unseen)
    return history


def _train(machine: RBM, data: Tensor, recipe: RBMRecipe, generator: torch.Generator) -> Iterator[int]:
    """Train in place by stochastic gradient ascent, and tell the number of each epoch at its end."""
    rate = recipe.rate_of(machine)
    parameters = Gradient(machine.weight, machine.visible_bias, machine.hidden_bias)
    steps = [torch.zeros_like(parameter) for parameter in parameters]
    for epoch in range(1, recipe.epochs + 1):
        momentum = min(_EARLY_MOMENTUM, recipe.momentum) if epoch <= _EARLY_EPOCHS else recipe.momentum
        order = torch.randperm(len(data), generator=generator, device=data.device)
        for rows in torch.split(order, recipe.batch):
            gradient = machine.contrastive_divergence(
                data[rows], recipe.cd_steps, generator, sample_visible=recipe.sample_visible
            )
            gradient.weight.sub_(machine.weight, alpha=recipe.weight_decay)
            for parameter, step, slope in zip(parameters, steps, gradient, strict=True):
                step.mul_(momentum).add_(slope, alpha=rate)
                parameter.add_(step)
        yield epoch


def _measure(machine: RBM, data: Tensor, bounded: bool) -> Fit:
    rebuilt = machine.reconstruct(data)
    return Fit(
        cross_entropy=float(cross_entropy(data, rebuilt)) if bounded else None,
        squared_error=float(squared_error(data, rebuilt)),
        free_energy=float(machine.free_energy(data).mean()),
    )


def _refuse_divergence(entry: LayerEpoch, recipe: RBMRecipe, limit: float) -> None:
    """Refuse a reconstruction that is further off, on the whole, than the data themselves ever go."""
    if not (entry.train.squared_error <= limit and math.isfinite(entry.train.free_energy)):
        raise TrainingError(
            f"pre-training of the fusion network's layer {entry.layer} diverged in epoch {entry.epoch} at a learning "
            f"rate of {entry.rate:g}: squared error {entry.train.squared_error:g}, free energy "
            f"{entry.train.free_energy:g}, expected at most {limit:g} and a finite number; "
            f"lower the recipe's rate, now {recipe.rate:g}, to {recipe.rate / 4:g} or less"
        )


def _visible(network: DBN, audio: Tensor, video: Tensor) -> Tensor:
    """The first machine's data, [N, A + V], where the network is."""
    like = network.output.weight
    pairs = zip(torch.split(audio, _CHUNK), torch.split(video, _CHUNK), strict=True)
    return torch.cat([network.visible(half.to(like), other.to(like)) for half, other in pairs])


def _spread(data: Tensor) -> Tensor:
    """At most 2048 rows, evenly spaced."""
    return data[:: math.ceil(len(data) / _MEASURED)]


def _require(name: str, value: float, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(f"pre-training {name} = {value:g}: expected {expected}")
