"""C3D's twin for single pictures, so that still faces can pre-train the video network."""

from __future__ import annotations

from torch import nn

from emostream.trainer.networks.c3d import StagedNetwork
from emostream.trainer.networks.presets import PAPER, VideoShape

__all__ = ["C2D"]


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
