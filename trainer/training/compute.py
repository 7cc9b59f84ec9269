"""Where a training runs, how exactly it calculates, and one error for files that it can't write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from threadpoolctl import threadpool_limits

from emostream.engines.backends.openvino.engine import cpu_has_bf16
from emostream.engines.errors import ConfigError, TrainingError

__all__ = ["Compute", "Precision", "limit_threads", "writing"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class Compute:
    """Where and how a network is trained.

    Attributes:
        accelerator: as Lightning names it.
        precision: of the arithmetic of training; embeddings are always computed in float32.
    """

    accelerator: str
    precision: Precision

    @classmethod
    def best(cls, precision: str = "auto") -> Compute:
        """What this machine offers: a GPU if there is one, and bf16 where the processor computes in it.

        Args:
            precision: `auto`, or one that Lightning names.

        Raises:
            ConfigError: no such precision, or one that needs a GPU, and there is none.
        """
        if precision not in ("auto", *get_args(Precision)):
            raise ConfigError(f"--precision {precision} is unknown; choose auto, {' or '.join(get_args(Precision))}")
        gpu = torch.cuda.is_available()
        if precision == "16-mixed" and not gpu:
            raise ConfigError("precision 16-mixed needs a GPU, and PyTorch sees none; choose bf16-mixed or 32-true")
        chosen = _best_precision(gpu) if precision == "auto" else precision
        return cls("gpu" if gpu else "cpu", chosen)  # type: ignore[arg-type]

    @property
    def device(self) -> torch.device:
        """Where embeddings are computed."""
        return torch.device("cuda" if self.accelerator == "gpu" else "cpu")

    @property
    def loaders(self) -> int:
        """Processes that read segments: a GPU waits for nothing else."""
        return min(8, max(1, (os.cpu_count() or 1) // 2)) if self.accelerator == "gpu" else 0


def limit_threads(threads: int) -> None:
    """Let PyTorch calculate with so many threads, which decides the last bits of a training on a CPU.

    NumPy takes one: its matrices are small in between, and its threads wait busily for work.
    """
    torch.set_num_threads(threads)
    threadpool_limits(1, user_api="blas")


def _best_precision(gpu: bool) -> Precision:
    if gpu:
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What the system refuses while something is made in `place`, as an error with a remedy.

    Raises:
        TrainingError: a file can't be written or read.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"work in {place} stops: {error}; mend that, such as by making room, then run the same command again"
        ) from error
