"""Work on a GPU as a CUDA graph, which is launched at once."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.gpu.timing import Run

__all__ = ["captured"]

_BEFORE_CAPTURE = 3


def captured(work: Callable[[], object]) -> Run:
    """A CUDA graph of some work, which runs a few times before."""
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(_BEFORE_CAPTURE):
            work()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = work()

    def replay(_: object = kept) -> None:  # the graph writes to what the work has given
        graph.replay()

    return replay
