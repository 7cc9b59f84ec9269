"""Where `--output` puts the events: a file of JSON Lines, standard output, or Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from emostream.engines.errors import ConfigError
from emostream.streamer.outputs.jsonlines import JsonLinesWriter
from emostream.streamer.outputs.parquet import SUFFIX, ParquetWriter

__all__ = ["Output", "check_output", "is_parquet", "output_to"]


class Output(Protocol):
    """Takes events; only the publisher's thread writes and closes."""

    @property
    def failures(self) -> int:
        """How many events could not be written."""

    def open(self) -> None:
        """Open it; raises PublishError where that can't be done."""

    def write(self, message: bytes) -> None:
        """Take the JSON of one event. A failure is counted and doesn't raise."""

    def close(self) -> None:
        """Finish what was written."""


def check_output(path: str) -> None:
    """Refuse a name that can't be meant.

    Raises:
        ConfigError: Parquet has no file to go to.
    """
    if is_parquet(path) and Path(path).name[: -len(SUFFIX)] in ("", "-"):
        raise ConfigError(
            f"--output is {path}, but Parquet needs files and can't go to standard output; expected a name such as "
            "events.parquet, or '-' for JSON Lines"
        )


def is_parquet(path: str | Path) -> bool:
    """Whether an output of this name is written as Parquet."""
    return Path(path).name.lower().endswith(SUFFIX)


def output_to(path: str | Path, labels: Sequence[str] = ()) -> Output:
    """What writes to `path`, not open yet.

    Args:
        path: a file; `-` is standard output.
        labels: the bundle's classes, which are columns of Parquet files.
    """
    return ParquetWriter(path, labels) if is_parquet(path) else JsonLinesWriter(path)
