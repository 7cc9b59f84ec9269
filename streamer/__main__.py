"""The command `emostream`, also as `python -m streamer`: signals are heeded before anything is loaded."""

from __future__ import annotations

import os

from streamer.stopping import STOPPING

__all__ = ["main"]

_STDERR = 2


def main() -> None:
    """Run the command; it ends the process."""
    _open_standard_files()
    STOPPING.listen()
    from streamer.cli import main as run  # loading it takes longer than anyone should have to wait

    run()


def _open_standard_files() -> None:
    """Where whoever started us closed one, the next file or socket would take its place, and what is printed."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(lowest)


if __name__ == "__main__":
    main()
