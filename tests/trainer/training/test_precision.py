from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from emostream.engines.errors import ConfigError
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.presets import COMPACT, VideoShape
from emostream.trainer.training import compute
from emostream.trainer.training.compute import Compute, limit_threads
from tests.trainer.corpora import TINY

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def gradients(layer: nn.Module, run: object, x: Tensor, slope: Tensor, *, half: bool) -> list[Tensor]:
    """Of the layer's parameters and of its input."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        y = run(x)
    y.backward(slope.to(y.dtype))
    return [*(each.grad.clone() for each in layer.parameters()), x.grad]


def check(layer: nn.Module, run: object, x: Tensor, name: str) -> None:
    """bf16 has 8 bits: sums of many of its products are right within a percent."""
    slope = torch.randn_like(run(x))
    exact, rough = (gradients(layer, run, x, slope, half=half) for half in (False, True))
    for right, found in zip(exact, rough, strict=True):
        assert float((found - right).norm()) < 0.02 * float(right.norm()), name


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("shape", [TINY.video, replace(COMPACT.video, grey=False)], ids=["tiny", "compact"])
def test_bf16_gradients_of_every_c3d_layer_are_those_of_float32(shape: VideoShape, batch: int) -> None:
    torch.manual_seed(0)
    network = C3D(3, shape)
    inputs: dict[str, Tensor] = {}
    convolve = network._convolve

    def keep(name: str, x: Tensor) -> Tensor:
        inputs[name] = x.detach().contiguous(memory_format=torch.channels_last_3d)
        return convolve(name, x)

    network._convolve = keep
    network(torch.randn(batch + 1, shape.planes, 16, shape.input_size, shape.input_size))
    assert len(inputs) == 8
    assert {x.shape[2] for x in inputs.values()} == {16, 8, 4, 2}
    for name, x in inputs.items():
        layer = network.get_submodule(name)
        for weight in layer.parameters():
            weight.data = weight.data.contiguous(memory_format=FORMATS.get(weight.dim(), torch.contiguous_format))
        check(layer, lambda x, name=name: convolve(name, x), x[:batch], name)


def test_bf16_gradients_of_every_alexnet_layer_are_those_of_float32() -> None:
    torch.manual_seed(0)
    network = AlexNet(3, COMPACT.audio).eval()
    layers = {name: each for name, each in network.named_modules() if isinstance(each, nn.Conv2d | nn.Linear)}
    inputs: dict[str, Tensor] = {}

    def keep(name: str, x: Tensor) -> None:
        inputs[name] = x.detach()

    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda _, given, name=name: keep(name, given[0]))
    network(torch.randn(7, 3, COMPACT.audio.input_size, COMPACT.audio.input_size))
    assert len(inputs) == 8
    for name, layer in layers.items():
        check(layer, layer, inputs[name], name)


def test_the_best_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for has, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(compute, "cpu_has_bf16", lambda has=has: has)
        assert Compute.best() == Compute("cpu", precision)
    assert Compute.best("bf16-mixed").precision == "bf16-mixed"
    assert Compute.best().device == torch.device("cpu")
    assert Compute.best().loaders == 0
    with pytest.raises(ConfigError, match="precision 16-mixed needs a GPU, and PyTorch sees none; choose bf16-mixed"):
        Compute.best("16-mixed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for has, precision in ((True, "bf16-mixed"), (False, "16-mixed")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert Compute.best() == Compute("gpu", precision)
    assert Compute.best("16-mixed").device == torch.device("cuda")
    assert Compute.best().loaders >= 1


def test_threads_are_as_many_as_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        limit_threads(before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        limit_threads(before)
