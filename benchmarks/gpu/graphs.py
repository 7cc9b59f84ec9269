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
    # A capture that fails may leave PyTorch in the stream of the capture.
    with torch.cuda.stream(torch.cuda.current_stream()):
        try:
            with torch.cuda.graph(graph):
                kept = work()
        except RuntimeError as error:  # the first one says why, the last one only that the capture is spoilt
            raise _first(error) from None

    def replay(_: object = (work, kept)) -> None:  # the graph reads and writes what they hold
        graph.replay()

    return replay


def _first(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error
