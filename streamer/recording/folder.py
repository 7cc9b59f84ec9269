"""The folder of a recording: a new one each time, so that nothing is ever overwritten."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

from emostream.engines.errors import PublishError

__all__ = ["make_folder"]

_MODE = 0o700  # what a face and a voice show is for whoever recorded it, until they say otherwise


def make_folder(parent: Path, started_at: float) -> Path:
    """Make the folder of a recording, named after its beginning, as in `20261128T074205Z`.

    Args:
        parent: made where it is missing.
        started_at: Unix time in seconds.

    Raises:
        PublishError: it can't be made.
    """
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started_at))
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(2):
            folder = parent / name
            try:
                folder.mkdir(mode=_MODE)
                return folder
            except FileExistsError:  # another session of this second
                name = f"{name[:16]}-{number}"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PublishError(
            f"can't record into {parent}: {reason}; choose a folder that you may write to with --record"
        ) from None
    raise AssertionError("counting never ends")
