"""A microphone, captured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from typing_extensions import Self

from engines.errors import SourceError
from streamer.sources.base import LiveSource, Outlets, Playback
from streamer.sources.block_ring import BLOCK, BlockRing, RawBlock
from streamer.sources.stamping import BlockStamper

__all__ = ["Microphone"]

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
        except OSError as error:
            raise SourceError(f"{self.name} can't be opened: no memory for its sound: {error.strerror}") from None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        # Devices take up to a second to begin; meanwhile the engine loads, and what they give is let go.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamer.sources.capture", str(self._ring.path), self._device],
            bufsize=0,  # what follows the answer is not read with it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        answer = self._answer()
        self._ring.unlink()
        if "error" in answer:
            self.close()
            raise SourceError(
                f"{self.name} can't be opened: {answer['error']}; `emostream devices` lists the microphones"
            )
        self._rate, self._latency = int(answer["rate"]), float(answer["latency"])

    def run(self, outlets: Outlets, playback: Playback) -> None:
        """See `Source`."""
        assert outlets.audio is not None
        stamper = BlockStamper(self._rate, self._latency)
        for raw in self._blocks(playback.stop):
            for block in stamper.push(raw):
                if block.t >= playback.started_at and not outlets.audio.put(block):
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

    def again(self) -> Self:
        """See `LiveSource`."""
        return type(self)(self._device)

    def _answer(self) -> dict[str, Any]:
        """What the process says of the device."""
        assert self._process.stdout is not None
        late = threading.Timer(_ANSWER_S, self._process.kill)
        late.daemon = True
        late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        if self._process.wait() < 0:
            return {"error": f"PortAudio did not answer within {_ANSWER_S:.0f} s, or crashed"}
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").splitlines()
        return {"error": f"its process ended: {said[-1] if said else 'without a word'}"}

    def _blocks(self, stop: threading.Event) -> Iterator[RawBlock]:
        """The blocks of the process, until it ends."""
        assert self._process.stdout is not None
        lost = False
        while not stop.is_set() and (told := self._process.stdout.read(4096)):
            for _ in range(told.count(BLOCK)):
                block = self._ring.read()
                if block is not None:
                    yield replace(block, lost=block.lost or lost)
                lost = block is None
