"""Lightning as a guest in this process: it keeps its remarks to itself, and leaves signals what they were."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import SIGTERMException

__all__ = ["own_signals", "quiet"]


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
