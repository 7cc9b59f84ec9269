"""The command `emostream`, with what lies on its grid written down: `python tapped.py FILE.npy [OPTIONS]`."""

from __future__ import annotations

import sys
from typing import ClassVar

import numpy as np

from emostream.engines.frontend import segmenter
from emostream.streamer import cli


class TappedRing(segmenter.AudioRing):
    """Keeps everything."""

    parts: ClassVar[list[np.ndarray]] = []

    def _append(self, samples, arrived):
        self.parts.append(samples.copy())
        super()._append(samples, arrived)


segmenter.AudioRing = TappedRing
target = sys.argv.pop(1)
leave = cli.os._exit


def write_and_leave(code):
    """The command leaves by `os._exit`, which runs no exit handlers."""
    np.save(target, np.concatenate(TappedRing.parts))
    leave(code)


cli.os._exit = write_and_leave
cli.main()
