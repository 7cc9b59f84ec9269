"""The ways to run a network on a GPU: what people would otherwise take with PyTorch, and emostream's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from benchmarks.gpu import bundles
from benchmarks.gpu.graphs import captured
from benchmarks.gpu.networks import CHAIN, Subject
from benchmarks.gpu.timing import AtBatch, Run

__all__ = ["WAYS", "Way"]


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        key: its name for the command and in the CSV.
        title: its name in tables.
        open: makes its networks ready; what they hold is let go with the stack. Raises what stands in its way.
        names: of the subjects that it takes; None for all.
    """

    key: str
    title: str
    open: Callable[[Subject, ExitStack], AtBatch]
    names: tuple[str, ...] | None = None


def _eager(subject: Subject, stack: ExitStack, *, half: bool) -> AtBatch:
    stack.enter_context(_exact_convolutions())
    module = subject.module(half=half)
    return lambda batch, _: partial(module, *subject.inputs(batch))


def _graph(subject: Subject, _: ExitStack) -> AtBatch:
    module = _channels_last(subject.module(half=True))
    return lambda batch, _: captured(partial(module, *subject.inputs(batch)))


def _compiled(subject: Subject, _: ExitStack) -> AtBatch:
    module = _channels_last(subject.module(half=True))

    def at(batch: int, stack: ExitStack) -> Run:
        stack.callback(torch._dynamo.reset)  # each batch size is compiled by itself, none as one of many
        return partial(torch.compile(module, mode="reduce-overhead", dynamic=False), *subject.inputs(batch))

    return at


@contextmanager
def _exact_convolutions() -> Iterator[None]:
    """Let fp32 mean fp32: PyTorch's convolutions take TF32 unless they are told not to."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _channels_last(module: nn.Module) -> nn.Module:
    """Convolutions as tensor cores like them."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for each in module.parameters():
        if each.ndim in formats:
            each.data = each.data.contiguous(memory_format=formats[each.ndim])
    return module


WAYS = (
    Way("eager-fp32", "PyTorch eager, fp32", partial(_eager, half=False)),
    Way("eager-fp16", "PyTorch eager, FP16", partial(_eager, half=True)),
    Way("graph-fp16", "PyTorch FP16, channels-last, CUDA graph", _graph),
    Way("compile-fp16", "torch.compile, FP16, channels-last, CUDA graph", _compiled),
    Way("onnxruntime-fp32", "ONNX Runtime CUDA, fp32", partial(bundles.onnxruntime, half=False)),
    Way("onnxruntime-fp16", "ONNX Runtime CUDA, FP16", partial(bundles.onnxruntime, half=True)),
    Way("tensorrt-fp16", "TensorRT FP16, CUDA graph", bundles.tensorrt),
    Way("engine-tensorrt", "emostream's engine, TensorRT FP16, from and to the host", bundles.engine, (CHAIN,)),
)
