"""Times on a GPU: CUDA events around each run, and the two rates that bound every network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch

__all__ = ["AtBatch", "Floors", "Run", "measure_floors", "time_runs"]

Run = Callable[[], object]

AtBatch = Callable[[int, ExitStack], Run]
"""Makes a run on a batch of a given size; what it holds is let go with the stack."""

_COPY_BYTES = 1 << 30
_MATRIX = 8192
_WARM_UP, _RUNS = 300, 50  # about a second: an idle GPU's clocks take some time to rise


@dataclass(frozen=True)
class Floors:
    """What this GPU was measured to do at most.

    Attributes:
        bytes_per_s: of device memory, read and written, while it copies 1 GiB.
        operations_per_s: of FP16 products of 8192 x 8192 matrices of noise, summed in FP16 where that is faster.
    """

    bytes_per_s: float
    operations_per_s: float


def time_runs(run: Run, *, warm_up: int, runs: int) -> list[float]:
    """Milliseconds of each of some runs.

    Args:
        run: gives its work to PyTorch's current stream, or returns only when it is done.
        warm_up: runs before those that are timed.
        runs: that are timed.
    """
    for _ in range(warm_up):
        run()
    torch.cuda.synchronize()
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(runs)]  # type: ignore[no-untyped-call]
    for begin, end in events:
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()  # the next run finds an idle GPU, as a live segment does
    return [begin.elapsed_time(end) for begin, end in events]


def measure_floors() -> Floors:
    """Let the GPU copy, and multiply, as fast as it does."""
    source = torch.randint(0, 256, (_COPY_BYTES,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copied = min(time_runs(lambda: target.copy_(source), warm_up=_WARM_UP, runs=_RUNS))
    a, b = (torch.randn(_MATRIX, _MATRIX, dtype=torch.float16, device="cuda") for _ in range(2))
    multiplied = min(time_runs(lambda: a @ b, warm_up=_WARM_UP, runs=_RUNS))
    sums = torch.backends.cuda.matmul
    if hasattr(sums, "allow_fp16_accumulation"):  # which the cards for games do twice as fast
        sums.allow_fp16_accumulation = True
        multiplied = min(multiplied, *time_runs(lambda: a @ b, warm_up=_WARM_UP, runs=_RUNS))
        sums.allow_fp16_accumulation = False
    return Floors(2 * _COPY_BYTES / copied * 1e3, 2 * _MATRIX**3 / multiplied * 1e3)
