"""C3D, the video network (paper, section III-B2), with the names of weights of its public releases."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engines.frontend.settings import CLIP_FRAMES
from trainer.networks.presets import PAPER, VideoShape

__all__ = ["C3D"]

_STAGES = (("conv1",), ("conv2",), ("conv3a", "conv3b"), ("conv4a", "conv4b"), ("conv5a", "conv5b"))


class C3D(nn.Module):
    """C3D over clips of 16 face crops.

    Eight convolutions of 3 x 3 x 3 in five stages, each ended by a maximum pooling (Tran et al., "Learning
    Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015). pool1 leaves time alone; pool5 is padded,
    so that 16 x 112 x 112 gives the 8192 inputs of fc6 that Sports-1M weights have. Batch normalisations live
    under `norms` and move no name.
    """

    def __init__(self, classes: int, shape: VideoShape = PAPER.video) -> None:
        """Make the layers, with PyTorch's initial weights.

        Args:
            classes: number of classes C of fc8.
            shape: the size; the default is the paper's.
        """
        super().__init__()
        c1, c2, c3, c4, c5 = shape.channels
        self.conv1 = _convolution(shape.planes, c1)
        self.conv2 = _convolution(c1, c2)
        self.conv3a = _convolution(c2, c3)
        self.conv3b = _convolution(c3, c3)
        self.conv4a = _convolution(c3, c4)
        self.conv4b = _convolution(c4, c4)
        self.conv5a = _convolution(c4, c5)
        self.conv5b = _convolution(c5, c5)
        self.pool1 = nn.MaxPool3d((1, 2, 2))
        self.pool2 = nn.MaxPool3d(2)
        self.pool3 = nn.MaxPool3d(2)
        self.pool4 = nn.MaxPool3d(2)
        self.pool5 = nn.MaxPool3d(2, padding=(0, 1, 1))
        self.fc6 = nn.Linear(c5 * _positions(shape.input_size), shape.hidden)
        self.fc7 = nn.Linear(shape.hidden, shape.embedding)
        self.fc8 = nn.Linear(shape.embedding, classes)
        self.dropout = nn.Dropout(shape.dropout)
        self.norms = nn.ModuleDict()
        if shape.batch_norm:
            names = [name for stage in _STAGES for name in stage]
            self.norms.update({name: nn.BatchNorm3d(self._convolution(name).out_channels) for name in names})

    def forward(self, x: Tensor) -> Tensor:
        """Class logits [batch, C] of clips [batch, planes, 16, S, S], standardised."""
        return cast(Tensor, self.fc8(self.dropout(self.embed(x))))

    def embed(self, x: Tensor) -> Tensor:
        """The embedding, fc7 after its ReLU: [batch, E] of clips [batch, planes, 16, S, S], standardised."""
        pools = (self.pool1, self.pool2, self.pool3, self.pool4, self.pool5)
        for stage, pool in zip(_STAGES, pools, strict=True):
            for name in stage:
                x = self._convolution(name)(x)
                if name in self.norms:
                    x = self.norms[name](x)
                x = torch.relu(x)
            x = pool(x)
        hidden = torch.relu(self.fc6(x.flatten(1)))
        return torch.relu(self.fc7(self.dropout(hidden)))

    def fold(self) -> None:
        """Fold the batch normalisations into the convolutions before them, in place, for inference."""
        self.eval()
        for name, norm in self.norms.items():
            setattr(self, name, fuse_conv_bn_eval(self._convolution(name), cast(nn.BatchNorm3d, norm)))
        self.norms.clear()

    def _convolution(self, name: str) -> nn.Conv3d:
        return cast(nn.Conv3d, self.get_submodule(name))


def _convolution(planes: int, channels: int) -> nn.Conv3d:
    return nn.Conv3d(planes, channels, kernel_size=3, padding=1)


def _positions(input_size: int) -> int:
    """Places of the feature map that fc6 sees."""
    frames = CLIP_FRAMES // 2**4
    side = input_size // 2**4 // 2 + 1
    return frames * side**2
