"""Restricted Boltzmann machines with binary hidden units, and contrastive divergence.

Energies, with weights W, visible biases a, hidden biases b:

    Bernoulli (binary visible units)         E(v, h) = -a.v - b.h - h.Wv
    Gaussian (real ones, of unit variance)   E(v, h) = |v - a|^2 / 2 - b.h - h.Wv

Source: Hinton, "A Practical Guide to Training Restricted Boltzmann Machines" (2010).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import Self

__all__ = ["RBM", "BernoulliRBM", "GaussianRBM", "Gradient", "cross_entropy", "squared_error"]

_INITIAL_WEIGHTS = 0.01  # standard deviation; small enough to leave the hidden units near 1/2
_RARE = 0.01  # a Bernoulli unit's mean is taken to lie this far from 0 and 1, so that its first bias is finite
_UNSURE = 1e-6  # reconstructions are kept this far from 0 and 1, where the cross-entropy is infinite


class Gradient(NamedTuple):
    """Estimate of the gradient of the mean log-likelihood, in the shapes of an `RBM`'s parameters."""

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor


@dataclass(frozen=True)
class RBM(ABC):
    """A restricted Boltzmann machine with V visible and H binary hidden units.

    Attributes:
        weight: [H, V], as `torch.nn.Linear` has it.
        visible_bias: [V].
        hidden_bias: [H].
    """

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor

    @classmethod
    def fresh(cls, mean: Tensor, hidden: int, generator: torch.Generator) -> Self:
        """An untrained machine: small random weights, hidden units at 1/2, visible ones at the data's mean.

        Args:
            mean: mean of the training data, [V].
            hidden: number of hidden units H.
            generator: draws the weights; on the device of `mean`.
        """
        weight = mean.new_empty(hidden, len(mean)).normal_(0.0, _INITIAL_WEIGHTS, generator=generator)
        return cls(weight, cls._bias_for(mean), mean.new_zeros(hidden))

    @staticmethod
    @abstractmethod
    def _bias_for(mean: Tensor) -> Tensor:
        """Visible biases that give this mean while the hidden units have no say: [V] of [V]."""

    def hidden_means(self, v: Tensor) -> Tensor:
        """Means of the hidden units: [batch, H] of visible states or means [batch, V]."""
        return torch.sigmoid(functional.linear(v, self.weight, self.hidden_bias))

    @abstractmethod
    def visible_means(self, h: Tensor) -> Tensor:
        """Means of the visible units: [batch, V] of hidden states or means [batch, H]."""

    @abstractmethod
    def visible_samples(self, means: Tensor, generator: torch.Generator) -> Tensor:
        """Visible states drawn around means, both [batch, V]."""

    @abstractmethod
    def free_energy(self, v: Tensor) -> Tensor:
        """Minus the unnormalised log-probability of visible states: [batch] of [batch, V]."""

    def reconstruct(self, v: Tensor) -> Tensor:
        """Visible means of the hidden means, without chance: [batch, V] of [batch, V]."""
        return self.visible_means(self.hidden_means(v))

    def contrastive_divergence(
        self, v: Tensor, steps: int, generator: torch.Generator, *, sample_visible: bool
    ) -> Gradient:
        """The positive phase minus the negative one, after Gibbs steps from the data.

        Args:
            v: a batch of data, [batch, V]; for the Bernoulli machine states or means, 0 to 1.
            steps: number of Gibbs steps k, 1 or more; the estimate tends to the exact gradient as k grows.
            generator: draws the units; on the device of `v`.
            sample_visible: whether the chain draws visible states too. With their means in place of states it
                is less noisy, as Hinton's guide advises (section 3.2), and no longer tends to the exact gradient.

        Returns:
            The estimate: adding a fraction of it to the parameters trains the machine.
        """
        positive = means = self.hidden_means(v)
        chain = v
        for _ in range(steps):
            chain = self.visible_means(_bernoulli(means, generator))
            if sample_visible:
                chain = self.visible_samples(chain, generator)
            means = self.hidden_means(chain)
        return Gradient(
            weight=(positive.T @ v - means.T @ chain) / len(v),
            visible_bias=(v - chain).mean(dim=0),
            hidden_bias=(positive - means).mean(dim=0),
        )

    def _softplus(self, v: Tensor) -> Tensor:
        """What the hidden units, summed out, add to the log-probability: [batch] of [batch, V]."""
        return functional.softplus(functional.linear(v, self.weight, self.hidden_bias)).sum(dim=1)


class BernoulliRBM(RBM):
    """Binary visible units; data may also be means, from 0 to 1."""

    @staticmethod
    def _bias_for(mean: Tensor) -> Tensor:
        return torch.logit(mean, eps=_RARE)

    def visible_means(self, h: Tensor) -> Tensor:
        """Probabilities of the visible units: [batch, V] of hidden states or means [batch, H]."""
        return torch.sigmoid(h @ self.weight + self.visible_bias)

    def visible_samples(self, means: Tensor, generator: torch.Generator) -> Tensor:
        """Zeros and ones of these probabilities, both [batch, V]."""
        return _bernoulli(means, generator)

    def free_energy(self, v: Tensor) -> Tensor:
        """-a.v - sum log(1 + exp(b + Wv)), nats: [batch] of [batch, V]."""
        return -(v @ self.visible_bias) - self._softplus(v)


class GaussianRBM(RBM):
    """Real visible units of unit variance."""

    @staticmethod
    def _bias_for(mean: Tensor) -> Tensor:
        return mean.clone()

    def visible_means(self, h: Tensor) -> Tensor:
        """Centres of the visible units: [batch, V] of hidden states or means [batch, H]."""
        return h @ self.weight + self.visible_bias

    def visible_samples(self, means: Tensor, generator: torch.Generator) -> Tensor:
        """Values of unit variance around these centres, both [batch, V]."""
        return means + torch.empty_like(means).normal_(generator=generator)

    def free_energy(self, v: Tensor) -> Tensor:
        """|v - a|^2 / 2 - sum log(1 + exp(b + Wv)), nats: [batch] of [batch, V]."""
        return 0.5 * (v - self.visible_bias).square().sum(dim=1) - self._softplus(v)


def cross_entropy(z: Tensor, rebuilt: Tensor) -> Tensor:
    """The paper's reconstruction error (equations 4 and 5), as a mean over samples and units, in nats.

    -z log z' - (1 - z) log(1 - z'), whose second sign the paper prints wrong. Its least value is not 0 but the
    entropy of z. A Gaussian machine's reconstructions outside of (0, 1) count as if they lay just inside.

    Args:
        z: data, [N, D], 0 to 1.
        rebuilt: its reconstruction z', [N, D].
    """
    inside = rebuilt.clamp(_UNSURE, 1.0 - _UNSURE)
    return -(torch.xlogy(z, inside) + torch.xlogy(1.0 - z, 1.0 - inside)).mean()


def squared_error(z: Tensor, rebuilt: Tensor) -> Tensor:
    """Mean over samples and units of (z - z')^2, for data [N, D] of any range and its reconstruction [N, D]."""
    return functional.mse_loss(rebuilt, z)


def _bernoulli(means: Tensor, generator: torch.Generator) -> Tensor:
    """Zeros and ones. Means that are NaN give 0, where `torch.bernoulli` would end a CUDA context."""
    drawn = torch.rand(means.shape, generator=generator, dtype=means.dtype, device=means.device) < means
    return drawn.to(means.dtype)
