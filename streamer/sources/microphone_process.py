"""The process that captures a microphone: `main(RING, DEVICE)`.

PortAudio sees new devices only after a restart that kills every stream of its process, and may crash with its driver;
so each attempt at a microphone has a process of its own. It answers on standard output with a line of JSON: what was
opened, or why nothing could be. After that it writes a byte for each block that it has put into the ring, and ten times
a second in any case, so that its reader never waits for long. It ends when its standard input does, and that ends with
its parent.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import SourceError
from emostream.streamer.sources.block_ring import BlockRing, RawBlock

__all__ = ["Capture", "list_microphones", "load_portaudio", "main", "wake"]

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
            raise SourceError(_reason(str(error))) from None
        return {"rate": rate, "latency": self._stream.latency}

    def run(self) -> None:
        """Let blocks into the ring until the end."""
        os.set_blocking(sys.stdout.fileno(), False)  # nobody reads before the session plays
        self._told.set()
        while not self.ended.wait(_ALIVE_S):
            wake()

    def _take(self, data: npt.NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        if not self._told.is_set():
            return
        # Some hosts leave the ADC time at 0.
        known = times.inputBufferAdcTime > 0 and times.currentTime > 0
        delay = times.currentTime - times.inputBufferAdcTime if known else None
        self._ring.write(RawBlock(now, delay, data, bool(status.input_overflow)))
        wake()


def _reason(said: str) -> str:
    """Why a device can't be opened, from what PortAudio or sounddevice says."""
    first, *more = said.splitlines()
    if "querying device -1" in first:
        return "there is none"
    if first.startswith("Multiple"):  # below it, a line for each: `[INDEX] NAME, HOST`
        return f"its name fits {', '.join(line.strip() for line in more)}; give an index, or more of the name"
    if first.startswith("No input device matching"):
        return "no microphone's name holds that"
    return "no microphone has that index" if "querying device" in first else first


def wake() -> None:
    """Let the parent look into the ring."""
    with suppress(BlockingIOError):  # it has not looked for a quarter of an hour, and will
        os.write(sys.stdout.fileno(), b".")


def main(ring: str, device: str) -> None:
    """Capture into a ring, until standard input ends or the device is lost; ends the process.

    Args:
        ring: file of the ring.
        device: `default`, an index, or a part of its name.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the parent is asked too, and decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    def wait_for_parent() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(0)  # closing a stream whose device has gone may take for ever

    threading.Thread(target=wait_for_parent, daemon=True).start()
    try:
        capture = Capture(BlockRing(Path(ring)))
        try:
            answer = capture.open(device)
        except SourceError as error:
            answer = {"error": str(error)}
        os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")
        if "error" not in answer:
            capture.run()
    except BaseException:  # noqa: BLE001 - the parent reads its last line
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def load_portaudio() -> Any:
    """The sounddevice module.

    Raises:
        SourceError: PortAudio's library is missing.
    """
    try:
        import sounddevice
    except OSError:
        raise SourceError(
            "microphones need PortAudio's library, which is missing; "
            "install it: `apt install libportaudio2` (Debian, Ubuntu), `brew install portaudio` (macOS)"
        ) from None
    return sounddevice


def list_microphones() -> list[tuple[str, str]]:
    """The microphones of this machine: what `--mic` takes, and a name with channels and rate.

    Raises:
        SourceError: PortAudio's library is missing.
    """
    devices = load_portaudio().query_devices()
    return [
        (str(d["index"]), f"{d['name']} ({d['max_input_channels']} channels, {d['default_samplerate']:.0f} Hz)")
        for d in devices
        if d["max_input_channels"] > 0
    ]
