"""The two sizes of the model: `paper`, and `compact` for a laptop. Numbers only, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from emostream.engines.errors import ConfigError

__all__ = ["COMPACT", "PAPER", "PRESETS", "AudioShape", "FusionShape", "Preset", "VideoShape"]


@dataclass(frozen=True)
class AudioShape:
    """The size of an `AlexNet`.

    Attributes:
        input_size: height and width of its input, pixels; the 64 x 64 mel is resized to it.
        channels: output channels of the five convolutions.
        pooled: height and width that the last feature map is averaged to; at most what the map has.
        hidden: units of fc6.
        embedding: units of fc7.
        batch_norm: whether a batch normalisation follows each layer but the last.
        dropout: probability before fc6 and before fc7.
        level: whether each segment is brought to a common level by its own mean and deviation (`SegmentLevel`).
    """

    input_size: int
    channels: tuple[int, int, int, int, int]
    pooled: int
    hidden: int
    embedding: int
    batch_norm: bool
    dropout: float
    level: bool = False


@dataclass(frozen=True)
class VideoShape:
    """The size of a `C3D`.

    Attributes:
        input_size: height and width of its input, pixels; the crops are resized to it.
        grey: whether it sees luminance alone instead of RGB.
        channels: output channels of the five stages; stages 3 to 5 have two convolutions each.
        hidden: units of fc6.
        embedding: units of fc7.
        batch_norm: whether a batch normalisation follows each layer but the last.
        dropout: probability after fc6 and after fc7.
        detail: height and width in pixels that the crops are averaged to before they are resized, so that a sharp
            picture shows no more than one of low resolution; None leaves them as they are.
        level: whether each clip is brought to a common light and contrast (`ClipLevel`).
        mirrored: whether the embedding is the mean of the clip's own and its mirror image's: faces are symmetric, and
            their expressions nearly so. It doubles the cost.
    """

    input_size: int
    grey: bool
    channels: tuple[int, int, int, int, int]
    hidden: int
    embedding: int
    batch_norm: bool
    dropout: float
    detail: tuple[int, int] | None = None
    level: bool = False
    mirrored: bool = False

    @property
    def planes(self) -> int:
        """Colour planes of the input: 1 or 3."""
        return 1 if self.grey else 3


@dataclass(frozen=True)
class FusionShape:
    """The size of a fusion network, `DBN` or `FC`.

    Attributes:
        widths: units of the hidden layers; the last is the joint feature.
        third: units of the third hidden layer of the three-layer networks (paper, table X).
        scaling: inputs to [0, 1] by minimum and maximum, or standardised; clipped.
        dropout: probability before the softmax (paper: 0.3).
    """

    widths: tuple[int, ...]
    third: int
    scaling: Literal["minmax", "standard"]
    dropout: float

    @property
    def joint(self) -> int:
        """Units of the last hidden layer, the joint feature."""
        return self.widths[-1]

    def at_depth(self, depth: int) -> FusionShape:
        """The structure of a given depth: paper 4096; 4096-2048; 4096-2048-1024 (table X).

        Args:
            depth: number of hidden layers.

        Raises:
            ConfigError: this shape has no such structure.
        """
        chain = (*self.widths, self.third) if len(self.widths) == 2 else self.widths
        if not 1 <= depth <= len(chain):
            raise ConfigError(
                f"fusion network with {depth} hidden layers: expected 1 to {len(chain)}, "
                f"of widths {'-'.join(map(str, chain))}"
            )
        return replace(self, widths=chain[:depth])


@dataclass(frozen=True)
class Preset:
    """The three networks of one model."""

    name: str
    audio: AudioShape
    video: VideoShape
    fusion: FusionShape


PAPER = Preset(
    name="paper",
    audio=AudioShape(
        input_size=227,
        channels=(64, 192, 384, 256, 256),
        pooled=6,
        hidden=4096,
        embedding=4096,
        batch_norm=False,
        dropout=0.5,
    ),
    video=VideoShape(
        input_size=112,
        grey=False,
        channels=(64, 128, 256, 512, 512),
        hidden=4096,
        embedding=4096,
        batch_norm=False,
        dropout=0.5,
    ),
    fusion=FusionShape(widths=(4096, 2048), third=1024, scaling="minmax", dropout=0.3),
)

COMPACT = Preset(
    name="compact",
    audio=AudioShape(
        input_size=127,
        channels=(32, 64, 128, 128, 128),
        pooled=3,
        hidden=256,
        embedding=256,
        batch_norm=True,
        dropout=0.2,
        level=True,
    ),
    video=VideoShape(
        input_size=48,
        grey=True,
        channels=(24, 48, 96, 192, 192),
        hidden=384,
        embedding=512,
        batch_norm=True,
        dropout=0.2,
        detail=(50, 37),  # FER2013's 48 pixels in the geometry of the crop
        level=True,
        mirrored=True,
    ),
    fusion=FusionShape(widths=(512, 256), third=128, scaling="standard", dropout=0.3),
)

PRESETS = {preset.name: preset for preset in (PAPER, COMPACT)}
