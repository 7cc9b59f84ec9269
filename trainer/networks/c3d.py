"""C3D, the video network (paper, section III-B2), with its public releases' names of weights, and its 2-D twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from emostream.engines.settings import CLIP_FRAMES
from emostream.trainer.networks.presets import PAPER, VideoShape

__all__ = ["C2D", "C3D", "StagedNetwork"]

_STAGES = (("conv1",), ("conv2",), ("conv3a", "conv3b"), ("conv4a", "conv4b"), ("conv5a", "conv5b"))


class StagedNetwork(nn.Module):
    """What C3D and its twin for single pictures share: eight convolutions in five stages, three dense layers.

    The convolutions are called `conv1` to `conv5b`, the dense layers `fc6` to `fc8`. Batch normalisations live
    under `norms` and move no name.
    """

    def __init__(
        self,
        classes: int,
        shape: VideoShape,
        convolution: type[nn.Conv2d] | type[nn.Conv3d],
        norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d],
        pools: Sequence[nn.Module],
    ) -> None:
        """Make the layers, with PyTorch's initial weights.

        Args:
            classes: number of classes C of fc8.
            shape: the size.
            convolution: kind of the convolutions, made with kernels of side 3 and padding 1.
            norm: kind of their batch normalisations.
            pools: what ends each stage. The first four halve height and width, the last pads first.
        """
        super().__init__()
        planes = shape.planes
        for stage, channels in zip(_STAGES, shape.channels, strict=True):
            for name in stage:
                self.add_module(name, convolution(planes, channels, kernel_size=3, padding=1))
                planes = channels
        self.pools = nn.ModuleList(pools)
        self.fc6 = nn.Linear(planes * _positions(shape.input_size), shape.hidden)
        self.fc7 = nn.Linear(shape.hidden, shape.embedding)
        self.fc8 = nn.Linear(shape.embedding, classes)
        self.dropout = nn.Dropout(shape.dropout)
        self.norms = nn.ModuleDict()
        if shape.batch_norm:
            names = [name for stage in _STAGES for name in stage]
            self.norms.update({name: norm(self._convolution(name).out_channels) for name in names})
            self.norms.update({"fc6": nn.BatchNorm1d(shape.hidden), "fc7": nn.BatchNorm1d(shape.embedding)})

    def forward(self, x: Tensor) -> Tensor:
        """Class logits [batch, C] of inputs as `embed` takes them."""
        return self.classify(self.embed(x))

    def classify(self, embedding: Tensor) -> Tensor:
        """Class logits [batch, C] of embeddings [batch, E]."""
        return cast(Tensor, self.fc8(self.dropout(embedding)))

    def embed(self, x: Tensor) -> Tensor:
        """The embedding, fc7 after its ReLU: [batch, E] of standardised inputs [batch, planes, (16,) S, S]."""
        for stage, pool in zip(_STAGES, self.pools, strict=True):
            for name in stage:
                x = self._activate(name, self._convolve(name, x))
            x = pool(x)
        hidden = self._activate("fc6", self.fc6(x.flatten(1)))
        return self._activate("fc7", self.fc7(self.dropout(hidden)))

    def fold(self) -> None:
        """Fold the batch normalisations into the layers before them, in place, for inference."""
        self.eval()
        for name, norm in self.norms.items():
            layer = self.get_submodule(name)
            if isinstance(layer, nn.Linear):
                setattr(self, name, fuse_linear_bn_eval(layer, cast(nn.BatchNorm1d, norm)))
            else:
                setattr(self, name, fuse_conv_bn_eval(self._convolution(name), cast(nn.BatchNorm3d, norm)))
        self.norms.clear()

    def _activate(self, name: str, x: Tensor) -> Tensor:
        return torch.relu(self.norms[name](x) if name in self.norms else x)

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        convolution = self._convolution(name)
        if x.dim() == 5 and x.shape[2] == 2 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # oneDNN's bf16 gradient of the weights is garbage where there are just two frames (seen with PyTorch 2.13).
            with torch.autocast("cpu", enabled=False):
                return cast(Tensor, convolution(x.float()))
        return cast(Tensor, convolution(x))

    def _convolution(self, name: str) -> nn.Conv3d:
        return cast(nn.Conv3d, self.get_submodule(name))


class C3D(StagedNetwork):
    """C3D over clips of 16 face crops, [batch, planes, 16, S, S].

    Eight convolutions of 3 x 3 x 3 in five stages, each ended by a maximum pooling (Tran et al., "Learning
    Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015). The first pooling leaves time alone; the
    last is padded, so that 16 x 112 x 112 gives the 8192 inputs of fc6 that Sports-1M weights have.
    """

    conv1: nn.Conv3d

    def __init__(self, classes: int, shape: VideoShape = PAPER.video) -> None:
        """Make the layers, with PyTorch's initial weights.

        Args:
            classes: number of classes C of fc8.
            shape: the size; the default is the paper's.
        """
        halves = [nn.MaxPool3d(2) for _ in range(3)]
        pools = (nn.MaxPool3d((1, 2, 2)), *halves, nn.MaxPool3d(2, padding=(0, 1, 1)))
        super().__init__(classes, shape, nn.Conv3d, nn.BatchNorm3d, pools)


def _positions(input_size: int) -> int:
    """Places of the feature map that fc6 sees; as many for a picture, since the poolings end 16 frames as one."""
    frames = CLIP_FRAMES // 2**4
    side = input_size // 2**4 // 2 + 1
    return frames * side**2


class C2D(StagedNetwork):
    """The layers of C3D over pictures [batch, planes, S, S]: no time in any kernel or pooling.

    Layers have the names and sizes of C3D's, fc6 included, so that `take_video_weights` inflates its weights into
    a C3D. That C3D, shown 16 equal frames, gives exactly what this network gives for the picture.
    """

    def __init__(self, classes: int, shape: VideoShape = PAPER.video) -> None:
        """Make the layers, with PyTorch's initial weights.

        Args:
            classes: number of classes C of fc8.
            shape: the size of the C3D that it is the twin of; the default is the paper's.
        """
        halves = [nn.MaxPool2d(2) for _ in range(4)]
        super().__init__(classes, shape, nn.Conv2d, nn.BatchNorm2d, (*halves, nn.MaxPool2d(2, padding=1)))
