"""One error where a training can't write its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emostream.engines.errors import TrainingError

__all__ = ["writing"]


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
