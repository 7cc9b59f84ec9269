"""The process that captures a microphone: `python -m streamer.sources.capture RING DEVICE`.

PortAudio sees new devices only after a restart that kills every stream of its process, and may crash with its driver;
so each attempt at a microphone has a process of its own. It answers on standard output with a line of JSON: what was
opened, or why nothing could be. After that it writes a byte for each block that it has put into the ring, and one of
another kind ten times a second, so that its reader never waits for long. It ends when its standard input does, and that
ends with its parent.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.errors import SourceError
from streamer.sources.block_ring import ALIVE, BLOCK, BlockRing, RawBlock
from streamer.sources.portaudio import load_portaudio

__all__ = ["Capture", "main", "tell"]

_BLOCK_S = 0.02
_ALIVE_S = 0.1


class Capture:
    """A microphone on its way into a ring."""

    def __init__(self, ring: BlockRing) -> None:
        """Fill a ring."""
        self._ring = ring
        self._told = threading.Event()  # the answer comes before any block
        self.ended = threading.Event()

    def open(self, device: str) -> dict[str, Any]:
        """Start the stream of a device, and describe it.

        Raises:
            SourceError: it can't be opened.
        """
        sounddevice = load_portaudio()
        chosen: int | str | None = None if device == "default" else device
        if re.fullmatch(r"[0-9]{1,4}", device):
            chosen = int(device)
        try:
            info = sounddevice.query_devices(chosen, "input")
            rate = int(info["default_samplerate"])
            self._stream = sounddevice.InputStream(
                device=chosen,
                samplerate=rate,
                channels=min(2, info["max_input_channels"]),
                dtype="float32",
                blocksize=round(_BLOCK_S * rate),
                latency="low",
                callback=self._take,
                finished_callback=self.ended.set,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise SourceError("there is none" if "querying device -1" in reason else reason) from None
        return {"rate": rate, "latency": self._stream.latency}

    def run(self) -> None:
        """Say that the device is open, and tell of every block until the end."""
        self._told.set()
        while not self.ended.wait(_ALIVE_S):
            tell(ALIVE)

    def _take(self, data: npt.NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        if not self._told.is_set():
            return
        # Some hosts leave the ADC time at 0.
        known = times.inputBufferAdcTime > 0 and times.currentTime > 0
        delay = times.currentTime - times.inputBufferAdcTime if known else None
        self._ring.write(RawBlock(now, delay, data, bool(status.input_overflow)))
        tell(BLOCK)


def tell(what: bytes) -> None:
    """Write to the parent at once."""
    os.write(sys.stdout.fileno(), what)


def main(ring: str, device: str) -> None:
    """Capture into a ring, until standard input ends or the device is lost.

    Args:
        ring: file of the ring.
        device: `default`, an index, or a part of its name.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the parent is asked too, and decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    capture = Capture(BlockRing(Path(ring)))

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)  # closing a stream whose device has gone may take for ever

    threading.Thread(target=wait_for_parent, daemon=True).start()
    try:
        answer = capture.open(device)
    except SourceError as error:
        answer = {"error": str(error)}
    tell(json.dumps(answer).encode() + b"\n")
    if "error" not in answer:
        capture.run()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
