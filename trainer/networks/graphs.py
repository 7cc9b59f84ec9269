"""The three networks of a bundle as they are exported: preprocessing and network in one graph.

The host hands over what the front end gives; resizing and standardisation run where the network runs.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, MEL_BANDS, MEL_FRAMES
from emostream.engines.tensors import NetworkRole, TensorSpec
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C2D, StagedNetwork
from emostream.trainer.networks.fusion import FusionNetwork
from emostream.trainer.networks.preprocessing import ClipLevel, Resize, SegmentLevel, Standardise
from emostream.trainer.networks.presets import AudioShape, VideoShape

__all__ = ["AudioGraph", "FusionGraph", "Graph", "StillGraph", "VideoGraph"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV's and Pillow's conversions to grey


class Graph(nn.Module):
    """One network of a bundle.

    Attributes:
        role: its part in the bundle.
        inputs: its inputs, named as the arguments of `forward`.
        output: its output.
        network: the layers, without preprocessing.
    """

    role: NetworkRole
    inputs: tuple[TensorSpec, ...]
    output: TensorSpec
    network: AlexNet | StagedNetwork | FusionNetwork

    def logits(self, *inputs: Tensor) -> Tensor:
        """Class logits [batch, C] of its inputs."""
        return self.network.classify(self(*inputs))

    def fold(self) -> None:
        """Bring the weights to their form for inference, in place: fewer layers, the same function."""
        self.eval()


class AudioGraph(Graph):
    """Log-Mel segments to audio embeddings."""

    network: AlexNet

    def __init__(
        self, network: AlexNet, shape: AudioShape, mean: Tensor, std: Tensor, frames: int = MEL_FRAMES
    ) -> None:
        """Join the network and its preprocessing.

        Args:
            network: an AlexNet of that shape.
            shape: says the input size S.
            mean: training fold's mean after the resize, [3, 1, 1] (by channel) or [3, S, S] (by pixel).
            std: its standard deviation, of the same shape; pixels with 0 become 0.
            frames: of the windows that it hears; another number than a segment's belongs to no bundle.
        """
        super().__init__()
        self.role = "audio"
        self.inputs = (TensorSpec("mel", "float32", (3, MEL_BANDS, frames)),)
        self.output = TensorSpec("embedding", "float32", (shape.embedding,))
        self.input_size = shape.input_size
        self.level = SegmentLevel() if shape.level else nn.Identity()
        self.resize = Resize((MEL_BANDS, frames), shape.input_size)
        self.standardise = Standardise(mean, std)
        self.network = network

    def forward(self, mel: Tensor) -> Tensor:
        """Embeddings [batch, E] of segments [batch, 3, 64 mel, 64 time]."""
        return self.network.embed(self.prepare(mel))

    def prepare(self, mel: Tensor) -> Tensor:
        """The network's input [batch, 3, S, S]: levelled, resized, standardised."""
        return cast(Tensor, self.standardise(self.resize(self.level(mel))))

    def fold(self) -> None:
        """Fold the batch normalisations into the convolutions."""
        super().fold()
        self.network.fold()


class VideoGraph(Graph):
    """Face clips to video embeddings."""

    network: StagedNetwork
    mean: Tensor
    luma: Tensor

    def __init__(self, network: StagedNetwork, shape: VideoShape, mean: Tensor, std: float) -> None:
        """Join the network and its preprocessing.

        Args:
            network: a C3D of that shape.
            shape: says the input size S and whether it is grey.
            mean: training fold's mean after resize and level, 0 to 255 without one; [planes, 1, 1, 1] (by plane) or
                [planes, 16, S, S] (by pixel).
            std: its standard deviation over everything. One number, so that the first convolution can
                take it over.
        """
        super().__init__()
        self.role = "video"
        self.inputs = (TensorSpec("clip", "uint8", (CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3)),)
        self.output = TensorSpec("embedding", "float32", (shape.embedding,))
        self.input_size = shape.input_size
        self.planes = shape.planes
        self.resize = Resize((CROP_HEIGHT, CROP_WIDTH), shape.input_size, shape.detail)
        self.level = ClipLevel() if shape.level else nn.Identity()
        self.mirrored = shape.mirrored
        self.std = std
        self.register_buffer("mean", mean.clone())
        self.register_buffer("luma", torch.tensor(_LUMA), persistent=False)
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        """Embeddings [batch, E] of clips uint8 [batch, 16, 150, 110, 3], RGB."""
        prepared = self.prepare(clip)
        if not self.mirrored:
            return self.network.embed(prepared)
        both = self.network.embed(torch.cat((prepared, prepared.flip(-1))))
        return both.reshape(2, -1, both.shape[-1]).mean(0)

    def prepare(self, clip: Tensor) -> Tensor:
        """The network's input [batch, planes, 16, S, S]: grey or RGB, resized, levelled, standardised."""
        pixels = clip.to(torch.float32)
        planes = (pixels @ self.luma).unsqueeze(1) if self.planes == 1 else pixels.permute(0, 4, 1, 2, 3)
        centred = self.level(self.resize(planes)) - self.mean
        return cast(Tensor, centred if self.std == 1.0 else centred / self.std)

    def get_extra_state(self) -> dict[str, float]:
        """What `state_dict` holds besides tensors."""
        return {"std": self.std}

    def set_extra_state(self, state: dict[str, float]) -> None:
        """See `get_extra_state`."""
        self.std = state["std"]

    def fold(self) -> None:
        """Fold the batch normalisations and the pixels' scale into the convolutions.

        The mean stays in front: the convolutions pad with zeros, which stand for the mean.
        """
        super().fold()
        self.network.fold()
        with torch.no_grad():
            cast(nn.Conv3d, self.network.get_submodule("conv1")).weight.div_(self.std)
        self.std = 1.0


class StillGraph(VideoGraph):
    """Single crops to embeddings, by the video network's twin for pictures; no part of a bundle."""

    def __init__(self, network: C2D, shape: VideoShape, mean: Tensor, std: float) -> None:
        """Join the network and its preprocessing; the arguments are `VideoGraph`'s."""
        super().__init__(network, shape, mean, std)
        self.inputs = (TensorSpec("crop", "uint8", (CROP_HEIGHT, CROP_WIDTH, 3)),)

    def prepare(self, crop: Tensor) -> Tensor:
        """The network's input [batch, planes, S, S] of crops uint8 [batch, 150, 110, 3], RGB."""
        return super().prepare(crop.unsqueeze(1)).squeeze(2)


class FusionGraph(Graph):
    """Pairs of embeddings to joint features."""

    network: FusionNetwork

    def __init__(self, network: FusionNetwork, audio: int, video: int) -> None:
        """Name the inputs: embeddings of lengths A and V."""
        super().__init__()
        self.role = "fusion"
        self.inputs = (TensorSpec("audio", "float32", (audio,)), TensorSpec("video", "float32", (video,)))
        self.output = TensorSpec("joint", "float32", (network.output.in_features,))
        self.network = network

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Joint features [batch, J] of embeddings [batch, A] and [batch, V]."""
        return self.network.embed(audio, video)
