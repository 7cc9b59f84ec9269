"""Keeps Lightning quiet and away from signal handlers, and keeps freed memory for the next step."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from lightning.pytorch.utilities.exceptions import SIGTERMException

__all__ = ["keep_memory", "own_signals", "quiet"]

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # parameters of glibc's mallopt
_LARGEST = (1 << 31) - 1  # what it takes for "never"
_BLOCK = 1 << 30


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's remarks about itself from the user."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        try:
            for each in loggers:
                each.setLevel(logging.ERROR)
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


@contextmanager
def own_signals() -> Iterator[None]:
    """Undo what Lightning makes of Ctrl-C and SIGTERM: an exit, which in a worker would end who waits for it.

    Raises:
        KeyboardInterrupt: as without Lightning. SIGTERM is raised again, and by default ends the process.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException:
        signal.raise_signal(signal.SIGTERM)
        raise
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, before)  # Lightning leaves it ignored
        raise KeyboardInterrupt from None


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
