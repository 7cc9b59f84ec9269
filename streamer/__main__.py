"""The command `emostream`, also as `python -m streamer`: signals are heeded before anything is loaded."""

from __future__ import annotations

from streamer.stopping import STOPPING

__all__ = ["main"]


def main() -> None:
    """Run the command; it ends the process."""
    STOPPING.listen()
    from streamer.cli import main as run  # loading it takes longer than anyone should have to wait

    run()


if __name__ == "__main__":
    main()
