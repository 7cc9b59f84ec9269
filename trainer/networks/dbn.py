"""The deep belief network that fuses both embeddings (paper, section III-C: DBN-2), in its form for inference."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from trainer.networks.presets import PAPER, FusionShape
from trainer.networks.standardise import Standardise

__all__ = ["DBN"]


class DBN(nn.Module):
    """Two layers of sigmoid means and a softmax layer over [audio; video].

    After greedy pre-training each restricted Boltzmann machine passes its hidden units' means upwards, so that the
    stack is a network of sigmoid layers that back-propagation refines (paper, section III-C and equation 3).

    Attributes:
        scaling: brings the inputs to the range that the first layer was pre-trained on.
        hidden: the weights of the Gaussian-Bernoulli machine.
        joint: the weights of the Bernoulli machine.
        output: the softmax layer's.
    """

    def __init__(self, classes: int, audio: int, video: int, shape: FusionShape = PAPER.fusion) -> None:
        """Make the layers, with PyTorch's initial weights and inputs taken as they are.

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
        self.hidden = nn.Linear(visible, shape.hidden)
        self.joint = nn.Linear(shape.hidden, shape.joint)
        self.dropout = nn.Dropout(shape.dropout)
        self.output = nn.Linear(shape.joint, classes)

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Class logits [batch, C] of embeddings [batch, A] and [batch, V]."""
        return cast(Tensor, self.output(self.dropout(self.embed(audio, video))))

    def embed(self, audio: Tensor, video: Tensor) -> Tensor:
        """The joint feature, the last hidden layer: [batch, J] of embeddings [batch, A] and [batch, V]."""
        hidden = torch.sigmoid(self.hidden(self.visible(audio, video)))
        return torch.sigmoid(self.joint(hidden))

    def visible(self, audio: Tensor, video: Tensor) -> Tensor:
        """The first machine's visible units: [batch, A + V] of embeddings [batch, A] and [batch, V]."""
        scaled: Tensor = self.scaling(torch.cat((audio, video), dim=1))
        return scaled.clamp(0.0, 1.0) if self.clipped else scaled

    def fit_scaling(self, audio: Tensor, video: Tensor) -> None:
        """Take the scaling's statistics from the training fold's embeddings [N, A] and [N, V].

        Minimum and maximum for the clipped scaling, else mean and standard deviation. Constant units become 0.
        """
        features = torch.cat((audio, video), dim=1)
        if self.clipped:
            lowest, highest = features.aminmax(dim=0)
            self.scaling.set(lowest, highest - lowest)
        else:
            self.scaling.set(features.mean(dim=0), features.std(dim=0, correction=0))
