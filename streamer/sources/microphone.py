"""A microphone, captured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from typing_extensions import Self

from emostream.engines.errors import SourceError
from emostream.streamer.sources.base import LiveSource, Playback, Sinks
from emostream.streamer.sources.block_ring import BlockRing, RawBlock
from emostream.streamer.sources.timestamps import BlockStamper

__all__ = ["Microphone"]

# Not `-m`, which would look for modules in the working directory first.
_CAPTURE = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from emostream.streamer.sources.microphone_process import main; main(*sys.argv[1:])"
)
_ANSWER_S = 10.0  # sound servers start on demand
_END_S = 0.5


class Microphone(LiveSource):
    """A PortAudio input device, at whatever rate and channel count it has."""

    def __init__(self, device: str) -> None:
        """Name the device: `default`, an index, or a part of its name."""
        self.name = "the default microphone" if device == "default" else f"microphone {device}"
        self._device = device

    def open(self) -> None:
        """See `Source`."""
        try:
            self._ring = BlockRing.create()
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
            # Devices take up to a second to begin; meanwhile the engine loads, and what they give is let go.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CAPTURE, str(self._ring.path), self._device],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=self._ring.inherited,
            )
        except OSError as error:
            raise SourceError(f"{self.name} can't be opened: no process for it: {error.strerror}") from None
        answer = self._answer()
        self._ring.unlink()
        if "error" in answer:
            self.close()
            raise SourceError(
                f"{self.name} can't be opened: {answer['error']}; `emostream devices` lists the microphones"
            )
        self._rate, self._latency = int(answer["rate"]), float(answer["latency"])

    def run(self, sinks: Sinks, playback: Playback) -> None:
        """See `Source`."""
        assert sinks.audio is not None
        stamper = BlockStamper(self._rate, self._latency)
        for raw in self._blocks(playback.stop):
            for block in stamper.push(raw):
                if block.t >= playback.started_at and not sinks.audio.put(block):
                    return
        if not playback.stop.is_set():
            raise SourceError(f"{self.name} was lost: it gives no more sound")

    def close(self) -> None:
        """See `Source`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._ring.close()

    def reopen(self) -> Self:
        """See `LiveSource`."""
        return type(self)(self._device)

    def abandon(self) -> None:
        """See `LiveSource`."""
        self._process.kill()

    def _answer(self) -> dict[str, Any]:
        """What the process says of the device."""
        assert self._process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(_ANSWER_S, give_up)
        timer.daemon = True
        timer.start()
        try:
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except ValueError:
            self._process.kill()
            self._process.wait()
            if late.is_set():
                return {"error": f"PortAudio did not answer within {_ANSWER_S:.0f} s"}
            return {"error": f"its process ended: {self._last_words()}"}
        finally:
            timer.cancel()
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(said) if line.strip()), "without a word")

    def _blocks(self, stop: threading.Event) -> Iterator[RawBlock]:
        """The blocks of the process, until it ends."""
        assert self._process.stdout is not None
        while not stop.is_set() and self._process.stdout.read(4096):
            while (block := self._ring.read()) is not None:
                yield block
