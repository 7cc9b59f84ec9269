"""Training steps with a moving average of the weights, in a checkpoint file from which a killed training goes on."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from emostream.engines.files import replacing

__all__ = ["AveragedTraining", "cosine"]

_DECAY = 0.999  # of the average, once it is old enough
_SAVE_EVERY_S = 60.0

Network = TypeVar("Network", bound=nn.Module)


class AveragedTraining(Generic[Network]):
    """A network in training.

    Attributes:
        network: whose weights are learnt, in training mode.
        average: the same network with the moving average of the weights, in evaluation mode.
        step: how many steps were made.
    """

    def __init__(self, network: Network, optimizer: torch.optim.Optimizer, checkpoint: Path) -> None:
        """Start from the network's weights, or go on from the checkpoint where there is one."""
        self.network, self.average, self.step = network.train(), copy.deepcopy(network).eval(), 0
        self._optimizer, self._checkpoint = optimizer, checkpoint
        self._saved = time.monotonic()
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def advance(self, loss: Tensor, rate: float, *, last: int, longest: float = math.inf) -> None:
        """Make one step, and write the checkpoint every minute and after the last step.

        Args:
            loss: of a batch.
            rate: learning rate.
            last: step after which the training ends.
            longest: norm to which longer gradients are cut.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if longest < math.inf:
            nn.utils.clip_grad_norm_(self.network.parameters(), longest)
        self._optimizer.step()
        self.step += 1
        self._follow(min(_DECAY, (1 + self.step) / (10 + self.step)))
        if time.monotonic() - self._saved > _SAVE_EVERY_S or self.step == last:
            self._saved = time.monotonic()
            self._save()

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        for old, new in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.mul_(decay).add_(new, alpha=1 - decay)
            else:
                old.copy_(new)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
        }
        with replacing(self._checkpoint) as part, part.open("wb") as stream:
            torch.save(state, stream)


def cosine(share: float) -> float:
    """Part of the highest learning rate when a share (0 to 1) of the training is done: from 1 down to 0.01."""
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))
