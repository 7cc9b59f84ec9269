"""AlexNet, the audio network (paper, section III-B1), with torchvision's channel plan and names of weights."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from emostream.trainer.networks.presets import PAPER, AudioShape

__all__ = ["AlexNet"]

_CONVOLUTIONS = (0, 3, 6, 8, 10)  # places in `features`, as torchvision numbers them
_DENSE = (1, 4)  # fc6 and fc7 in `classifier`
_FC7_RELU = 6  # the layers of `classifier` up to fc7's ReLU


class AlexNet(nn.Module):
    """AlexNet over three-channel pictures of log-Mel spectrograms.

    The layers are those of Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014),
    as torchvision numbers them, so that ImageNet weights load by name: `features.{0,3,6,8,10}` are the
    convolutions, `classifier.{1,4,6}` are fc6, fc7 and fc8. Batch normalisations share the place of the ReLU that
    follows them and so move no name.
    """

    def __init__(self, classes: int, shape: AudioShape = PAPER.audio) -> None:
        """Make the layers, with PyTorch's initial weights.

        Args:
            classes: number of classes C of fc8.
            shape: the size; the default is the paper's.
        """
        super().__init__()
        c1, c2, c3, c4, c5 = shape.channels
        norm2d, norm1d = (nn.BatchNorm2d, nn.BatchNorm1d) if shape.batch_norm else (None, None)
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2),
            _activation(norm2d, c1),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(c1, c2, kernel_size=5, padding=2),
            _activation(norm2d, c2),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),
            _activation(norm2d, c3),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1),
            _activation(norm2d, c4),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1),
            _activation(norm2d, c5),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(shape.pooled)
        self.classifier = nn.Sequential(
            nn.Dropout(shape.dropout),
            nn.Linear(c5 * shape.pooled**2, shape.hidden),
            _activation(norm1d, shape.hidden),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.embedding),
            _activation(norm1d, shape.embedding),
            nn.Linear(shape.embedding, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Class logits [batch, C] of pictures [batch, 3, S, S], standardised."""
        return self.classify(self.embed(x))

    def classify(self, embedding: Tensor) -> Tensor:
        """Class logits [batch, C] of embeddings [batch, E]."""
        return cast(Tensor, self.classifier[_FC7_RELU:](embedding))

    def embed(self, x: Tensor) -> Tensor:
        """The embedding, fc7 after its ReLU: [batch, E] of pictures [batch, 3, S, S], standardised."""
        pooled: Tensor = self.avgpool(self.features(x))
        return cast(Tensor, self.classifier[:_FC7_RELU](pooled.flatten(1)))

    def fold(self) -> None:
        """Fold the batch normalisations into the layers before them, in place, for inference."""
        self.eval()
        for layers, places in ((self.features, _CONVOLUTIONS), (self.classifier, _DENSE)):
            for place in places:
                layer, activation = layers[place], layers[place + 1]
                if isinstance(activation, nn.Sequential):
                    norm, relu = cast(nn.BatchNorm2d, activation[0]), activation[1]
                    if isinstance(layer, nn.Linear):
                        layers[place] = fuse_linear_bn_eval(layer, norm)
                    else:
                        layers[place] = fuse_conv_bn_eval(cast(nn.Conv2d, layer), norm)
                    layers[place + 1] = relu


def _activation(norm: type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | None, units: int) -> nn.Module:
    relu = nn.ReLU(inplace=True)
    return nn.Sequential(norm(units), relu) if norm else relu
