"""The command `emostream` with something that blocks or fails in it: `python hooked.py CODE [OPTIONS]`.

CODE is Python and runs before the command; `block()` in it says "blocked" on standard output, and blocks for ever.
"""

from __future__ import annotations

import os
import sys
import time

from emostream.streamer.stopping import STOPPING


def block(*_: object, **__: object) -> None:
    """Block as a driver does, of whom nobody knows when it comes back."""
    os.write(sys.stdout.fileno(), b"blocked\n")  # in one piece, or the words of two threads mix
    time.sleep(3600)


STOPPING.listen()
exec(sys.argv.pop(1))

from emostream.streamer.cli import main  # noqa: E402

main()
