"""Writing a trained network as ONNX: batch normalisation folded, weights in FP16 and widened where it is loaded."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from emostream.engines.files import replacing
from emostream.engines.frontend.detectors.finder import STRIDES
from emostream.trainer.finder.network import FinderNetwork

__all__ = ["FromPixels", "export_finder", "export_graph", "folded"]

_LEAST_VALUES = 16  # of a weight that is worth storing in FP16


class FromPixels(nn.Module):
    """Takes uint8 [1, height, width, channels], as cameras give it; only 128 is left to be subtracted."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network that takes floats around 0."""
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """See the network."""
        centred = pixels.permute(0, 3, 1, 2).float() - 128
        found: list[Tensor] = self.network(centred)
        return found


def folded(network: nn.Module) -> nn.Module:
    """A copy in which each batch normalisation has gone into the convolution before it."""
    network = copy.deepcopy(network).eval()
    for module in list(network.modules()):
        if hasattr(module, "pointwise") and hasattr(module, "norm"):
            assert isinstance(module.pointwise, nn.Conv2d)
            assert isinstance(module.norm, nn.BatchNorm2d)
            module.pointwise = fuse_conv_bn_eval(module.pointwise, module.norm)
            module.norm = nn.Identity()
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
            assert isinstance(module[0], nn.Conv2d)
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return network


def export_finder(network: FinderNetwork, file: Path) -> None:
    """Write the finder.

    Its input `pixels` is uint8 [1, height, width, 3], BGR, height and width multiples of 32; its outputs `cells_8`,
    `cells_16` and `cells_32` are float [1, 15, height / stride, width / stride].
    """
    plain = folded(network)
    assert isinstance(plain, FinderNetwork)
    with torch.no_grad():
        plain.stem.weight *= 1 / 64
    plain.scaled = True
    names = [f"cells_{stride}" for stride in STRIDES]
    free = {2: "rows", 3: "columns"}
    axes = {"pixels": {1: "height", 2: "width"}} | {name: {k: f"{v}_{name}" for k, v in free.items()} for name in names}
    export_graph(FromPixels(plain), torch.zeros(1, 64, 96, 3, dtype=torch.uint8), names, axes, file)


def export_graph(
    network: nn.Module, example: Tensor, outputs: list[str], axes: dict[str, dict[int, str]], file: Path
) -> None:
    """Write any network whose input is `pixels`, with its weights in FP16."""
    with replacing(file) as part:
        torch.onnx.export(
            network.eval(), (example,), str(part), input_names=["pixels"], output_names=outputs, dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )  # fmt: skip
        model = onnx.load(str(part))
        _halve(model)
        onnx.checker.check_model(model)
        part.write_bytes(model.SerializeToString())


def _halve(model: onnx.ModelProto) -> None:
    """Store weights in FP16 and widen them where they are used: constants, which every runtime folds at load."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT or values.size < _LEAST_VALUES:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
