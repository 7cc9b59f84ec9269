"""What is timed: the networks of a preset with random weights, random inputs, and how much work they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from emostream.engines.tensors import NETWORK_ROLES, NetworkRole, TensorSpec
from emostream.trainer.networks.graphs import Graph
from emostream.trainer.networks.presets import PRESETS
from emostream.trainer.networks.untrained import untrained_graphs

__all__ = ["CHAIN", "NAMES", "Chain", "Subject", "Work", "work_of"]

CHAIN = "chain"
NAMES = (*NETWORK_ROLES, CHAIN)

_CLASSES = 7
_SEED = 0


@dataclass(frozen=True)
class Work:
    """What a network has to do at the least.

    Attributes:
        operations: multiplications and additions of matrix products and convolutions, for one segment.
        weight_bytes: of its weights in FP16, read once a batch.
        tensor_bytes: of inputs and outputs of one segment.
    """

    operations: float
    weight_bytes: float
    tensor_bytes: float


class _InHalf(nn.Module):
    """A graph's network in FP16, behind preprocessing in float32: what a bundle's FP16 graph computes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network.half()

    def embed(self, *inputs: Tensor) -> Tensor:
        return cast(Tensor, self.network.embed(*(each.half() for each in inputs)).float())


class Chain(nn.Module):
    """All three networks: what a segment with voice and face needs."""

    def __init__(self, graphs: dict[NetworkRole, Graph]) -> None:
        """Join the graphs."""
        super().__init__()
        self.audio, self.video, self.fusion = (graphs[role] for role in NETWORK_ROLES)

    def forward(self, mel: Tensor, clip: Tensor) -> Tensor:
        """Joint features [batch, J] of segments [batch, 3, 64, 64] and clips uint8 [batch, 16, 150, 110, 3]."""
        return cast(Tensor, self.fusion(self.audio(mel), self.video(clip)))


@dataclass(frozen=True)
class Subject:
    """A network, or the chain of all, of one preset, on a device.

    Attributes:
        name: one of `NAMES`.
        preset: name of the preset.
        device: as PyTorch names it.
    """

    name: str
    preset: str
    device: str = "cuda"

    @property
    def roles(self) -> tuple[NetworkRole, ...]:
        """The networks that it consists of."""
        return NETWORK_ROLES if self.name == CHAIN else (cast(NetworkRole, self.name),)

    def module(self, *, half: bool) -> nn.Module:
        """It in its form for inference, in float32 or with its networks in FP16."""
        graphs = _graphs(self.preset)
        for graph in graphs.values():
            graph.fold()
            if half:
                graph.network = _InHalf(graph.network)  # type: ignore[assignment]
        module = Chain(graphs) if self.name == CHAIN else graphs[self.roles[0]]
        return module.to(self.device).requires_grad_(False)

    def inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Noise for its inputs: zeros would spare a GPU power, and so time."""
        random = torch.Generator(self.device).manual_seed(batch)

        def noise(spec: TensorSpec) -> Tensor:
            size = (batch, *spec.shape)
            if spec.dtype == "uint8":
                return torch.randint(0, 256, size, generator=random, device=self.device, dtype=torch.uint8)
            values = torch.randn(size, generator=random, device=self.device)
            return values.relu() if self.name == "fusion" else values  # embeddings are never negative

        return tuple(noise(spec) for spec in self._input_specs())

    def _input_specs(self) -> list[TensorSpec]:
        specs = _specs(self.preset)
        roles: tuple[NetworkRole, ...] = ("audio", "video") if self.name == CHAIN else self.roles
        return [spec for role in roles for spec in specs[role]]


def _graphs(preset: str) -> dict[NetworkRole, Graph]:
    return {graph.role: graph for graph in untrained_graphs(PRESETS[preset], _CLASSES, _SEED)}


@cache
def _specs(preset: str) -> dict[NetworkRole, tuple[TensorSpec, ...]]:
    """The inputs of each network; to make networks only for these takes seconds."""
    return {role: tuple(graph.inputs) for role, graph in _graphs(preset).items()}


def work_of(subject: Subject) -> Work:
    """The work of a subject, counted by PyTorch on one segment without computing it."""
    on_cpu = Subject(subject.name, subject.preset, "cpu")
    module, inputs = on_cpu.module(half=False).to("meta"), [each.to("meta") for each in on_cpu.inputs(1)]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        output = module(*inputs)
    return Work(
        operations=float(counter.get_total_flops()),
        weight_bytes=2.0 * sum(each.numel() for each in module.parameters()),
        tensor_bytes=float(sum(each.numel() * each.element_size() for each in (*inputs, output))),
    )
