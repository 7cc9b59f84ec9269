"""The command `emostream`, also as `python -m emostream`: signals are heeded before anything is loaded."""

from __future__ import annotations

import os
import sys

from emostream.streamer.stopping import STOPPING

__all__ = ["main"]

_STDERR = 2
_M_ARENA_MAX = -8  # of malloc.h
_ARENAS = 2


def main() -> None:
    """Run the command; it ends the process."""
    _open_standard_files()
    STOPPING.listen()
    STOPPING.begin(_command(sys.argv[1:]))
    _share_memory_between_threads()
    from emostream.streamer.cli import main as run  # loading it takes longer than anyone should have to wait

    run()


def _command(arguments: list[str]) -> str | None:
    """Which command it is, as far as can be told before the options are read; None for a session."""
    return arguments[0] if arguments and not arguments[0].startswith("-") else None


def _open_standard_files() -> None:
    """Where whoever started us closed one, the next file or socket would take its place, and what is printed."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(lowest)


def _share_memory_between_threads() -> None:
    """Keep glibc from a heap for nearly every thread: readers that come and go would leave each of them in pieces."""
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, _ARENAS)


if __name__ == "__main__":
    main()
