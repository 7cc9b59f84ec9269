"""Cursors in a file, so that a subscriber goes on where an earlier one ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.files import replace_file
from emostream.streamer.client.types import Cursor

__all__ = ["read_cursors", "write_cursors"]


def read_cursors(path: Path) -> list[Cursor]:
    """Read what `write_cursors` wrote; a file that doesn't exist holds none.

    Raises:
        ConfigError: the file can't be read, or holds something else.
    """
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
        return [Cursor.from_dict(row) for row in rows]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"cursor {path} can't be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError) as error:
        raise ConfigError(f"cursor {path} is damaged ({error}); remove it to begin anew") from None


def write_cursors(path: Path, cursors: Iterable[Cursor]) -> None:
    """Replace the file; whatever happens, it holds the earlier cursors or these.

    Raises:
        PublishError: the file can't be written.
    """
    text = msgspec.json.encode([cursor.to_dict() for cursor in cursors]) + b"\n"
    try:
        replace_file(path, text)
    except OSError as error:
        raise PublishError(
            f"cursor {path} can't be written: {error.strerror}; choose a file in a folder that you may write to"
        ) from None
