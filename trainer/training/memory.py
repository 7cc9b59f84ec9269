"""Freed memory, kept for the next step."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

__all__ = ["keep_memory"]

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # parameters of glibc's mallopt
_LARGEST = (1 << 31) - 1  # what it takes for "never"
_BLOCK = 1 << 30


@cache
def keep_memory() -> None:
    """Let the C library keep what it is given back, where that is glibc.

    Large tensors are otherwise mapped and unmapped at each step, and the kernel clears every page of them each time:
    on a CPU that took 40 % of the time of an embedding and 10 % of that of a training step.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, _BLOCK)
        library.mallopt(_TRIM_THRESHOLD, _LARGEST)
