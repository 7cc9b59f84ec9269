"""The networks that fuse both embeddings: deep belief (paper, section III-B2), and fully connected to compare with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from emostream.trainer.networks.preprocessing import Standardise
from emostream.trainer.networks.presets import PAPER, FusionShape

__all__ = ["DBN", "FC", "STANDARD_LIMIT", "FusionNetwork"]

STANDARD_LIMIT = 5.0
"""Standardised inputs stay within so many standard deviations."""

_SIGMOID_GAIN = 4.0


class FusionNetwork(nn.Module, ABC):
    """Hidden layers and a softmax layer over [audio; video].

    Attributes:
        clipped: whether inputs come to lie between 0 and 1 instead of being standardised.
        scaling: brings the inputs to a common range by statistics of the training fold.
        layers: the linear maps of the hidden layers, from the inputs up.
        dropout: before the softmax layer.
        output: the softmax layer's linear map.
    """

    def __init__(self, classes: int, audio: int, video: int, shape: FusionShape = PAPER.fusion) -> None:
        """Make the layers, with inputs taken as they are.

        Args:
            classes: number of classes C.
            audio: length A of the audio embedding.
            video: length V of the video embedding.
            shape: the size; the default is the paper's.
        """
        super().__init__()
        visible = audio + video
        self.clipped = shape.scaling == "minmax"
        self.scaling = Standardise(torch.zeros(visible), torch.ones(visible))
        self.layers = nn.ModuleList(nn.Linear(below, width) for below, width in pairwise((visible, *shape.widths)))
        self.dropout = nn.Dropout(shape.dropout)
        self.output = nn.Linear(shape.joint, classes)

    @abstractmethod
    def activate(self, x: Tensor) -> Tensor:
        """What follows each hidden layer's linear map, element by element."""

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Class logits [batch, C] of embeddings [batch, A] and [batch, V]."""
        return self.classify(self.embed(audio, video))

    def classify(self, joint: Tensor) -> Tensor:
        """Class logits [batch, C] of joint features [batch, J]."""
        return cast(Tensor, self.output(self.dropout(joint)))

    def embed(self, audio: Tensor, video: Tensor) -> Tensor:
        """The joint feature, the last hidden layer: [batch, J] of embeddings [batch, A] and [batch, V]."""
        x = self.visible(audio, video)
        for layer in self.layers:
            x = self.activate(layer(x))
        return x

    def visible(self, audio: Tensor, video: Tensor) -> Tensor:
        """The first layer's inputs: [batch, A + V] of embeddings [batch, A] and [batch, V].

        Standardised ones are clipped: a rectified unit that was hardly ever on in the training fold has a tiny
        standard deviation, and on a new person would drown all others.
        """
        scaled: Tensor = self.scaling(torch.cat((audio, video), dim=1))
        return scaled.clamp(0.0, 1.0) if self.clipped else scaled.clamp(-STANDARD_LIMIT, STANDARD_LIMIT)

    def fit_scaling(self, audio: Tensor, video: Tensor) -> None:
        """Take the scaling's statistics from the training fold's embeddings [N, A] and [N, V].

        Minimum and maximum for the scaling to [0, 1], else mean and standard deviation. Constant units become 0.
        """
        features = torch.cat((audio, video), dim=1)
        if self.clipped:
            lowest, highest = features.aminmax(dim=0)
            self.scaling.set(lowest, highest - lowest)
        else:
            self.scaling.set(features.mean(dim=0), features.std(dim=0, correction=0))


class DBN(FusionNetwork):
    """The deep belief network in its form for inference and fine-tuning: layers of sigmoid means.

    After greedy pre-training each restricted Boltzmann machine passes its hidden units' means upwards, so that the
    stack is a network of sigmoid layers that back-propagation refines (paper, section III-B2). The first layer
    holds the Gaussian-Bernoulli machine's weights, the others the Bernoulli machines'. Without pre-training the
    weights are those of Glorot and Bengio (AISTATS 2010), four times as large as for tanh: smaller ones leave sigmoid
    layers nearly constant, and back-propagation little to work on.
    """

    def __init__(self, classes: int, audio: int, video: int, shape: FusionShape = PAPER.fusion) -> None:
        """Make the layers; the arguments are `FusionNetwork`'s."""
        super().__init__(classes, audio, video, shape)
        for layer in cast("list[nn.Linear]", list(self.layers)):
            nn.init.xavier_uniform_(layer.weight, gain=_SIGMOID_GAIN)
            nn.init.zeros_(layer.bias)

    def activate(self, x: Tensor) -> Tensor:
        """Means of binary units."""
        return torch.sigmoid(x)


class FC(FusionNetwork):
    """The fully connected networks that table X compares with: rectified layers, with He's initial weights."""

    def __init__(self, classes: int, audio: int, video: int, shape: FusionShape = PAPER.fusion) -> None:
        """Make the layers; the arguments are `FusionNetwork`'s."""
        super().__init__(classes, audio, video, shape)
        for layer in cast("list[nn.Linear]", list(self.layers)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def activate(self, x: Tensor) -> Tensor:
        """Rectified."""
        return torch.relu(x)
