"""A microphone through PortAudio: the callback copies and stamps, a reader resamples."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.errors import SourceError
from engines.frontend.settings import SAMPLE_RATE
from engines.media.audio import AudioBlock, MonoResampler
from streamer.sources.base import Outlets, Playback, Source
from streamer.sources.sample_clock import SampleClock

__all__ = ["BlockStamper", "Microphone", "RawBlock", "list_microphones"]

_BLOCK_S = 0.02
_WAITING_BLOCKS = 100  # 2 s between callback and reader; beyond that the oldest are lost
_POLL_S = 0.1
_LEARNING_BLOCKS = 10
_MAX_LATENCY_S = 0.1


@dataclass(frozen=True, eq=False)
class RawBlock:
    """What the callback saw.

    Attributes:
        arrived: monotonic time of the callback, in seconds.
        delay: from the first sample's ADC time to the callback, in seconds; None where the host doesn't say.
        samples: float32 [n, channels].
        lost: samples were lost just before it.
    """

    arrived: float
    delay: float | None
    samples: npt.NDArray[np.float32]
    lost: bool = False


class BlockStamper:
    """Resamples raw blocks to mono at 16 kHz and gives them their capture times."""

    def __init__(self, rate: int, usual_latency_s: float) -> None:
        """Take `rate` samples a second; the latency serves where the host gives no ADC times."""
        self._rate, self._usual_latency_s = rate, usual_latency_s
        self._clock = SampleClock(rate)
        self._held: list[RawBlock] = []
        self._latency_s: float | None = None
        self._lost = False
        self._restart()

    def push(self, raw: RawBlock) -> list[AudioBlock]:
        """The blocks that one more raw block makes available; the first few are held back to learn the latency."""
        if raw.lost:
            self._clock.restart()
        if not self._clock.take(raw.arrived, raw.samples.shape[0]) or raw.lost:
            self._lost = True
            self._held.clear()
            self._restart()
        if self._latency_s is None:
            self._held.append(raw)
            if len(self._held) < _LEARNING_BLOCKS:
                return []
            self._latency_s = self._learn_latency()
            held, self._held = self._held, []
            return [block for each in held for block in self._resample(each)]
        return self._resample(raw)

    def _resample(self, raw: RawBlock) -> list[AudioBlock]:
        assert self._latency_s is not None
        out = self._resampler.push(raw.samples)
        # Output sample n belongs to input sample n rate / 16000: what the resampler holds back only comes later.
        t = self._clock.time_of(0) + self._given / SAMPLE_RATE - self._latency_s
        self._given += out.size
        if not out.size:
            return []
        block = AudioBlock(t, out, self._lost)
        self._lost = False
        return [block]

    def _learn_latency(self) -> float:
        """From capture to callback beyond the block's own length; some hosts report nonsense, so within bounds."""
        reported = [raw.delay - raw.samples.shape[0] / self._rate for raw in self._held if raw.delay is not None]
        latency = float(np.median(reported)) if reported else self._usual_latency_s
        return min(max(latency, 0.0), _MAX_LATENCY_S)

    def _restart(self) -> None:
        self._resampler = MonoResampler(self._rate)
        self._given = 0


class Microphone(Source):
    """A PortAudio input device, at whatever rate and channel count it has."""

    def __init__(self, device: str) -> None:
        """Name the device: `default`, an index, or a part of its name."""
        self.name = "the default microphone" if device == "default" else f"microphone {device}"
        self._device = device
        self._raw: deque[RawBlock] = deque()
        self._arrived = threading.Condition()
        self._finished = False

    def open(self) -> None:
        """See `Source`."""
        sounddevice = load_portaudio()
        device: int | str | None = None if self._device == "default" else self._device
        if isinstance(device, str) and re.fullmatch(r"[0-9]{1,4}", device):
            device = int(device)
        try:
            info = sounddevice.query_devices(device, "input")
            self._rate = int(info["default_samplerate"])
            self._stream: Any = sounddevice.InputStream(
                device=device,
                samplerate=self._rate,
                channels=min(2, info["max_input_channels"]),
                dtype="float32",
                blocksize=round(_BLOCK_S * self._rate),
                latency="low",
                callback=self._callback,
                finished_callback=self._on_finished,
            )
            # Devices take up to a second to begin; meanwhile the engine loads, and what they give is let go.
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            reason = str(error).splitlines()[0]
            if "querying device -1" in reason:
                reason = "there is none"
            raise SourceError(
                f"{self.name} can't be opened: {reason}; `emostream devices` lists the microphones"
            ) from None

    def run(self, outlets: Outlets, playback: Playback) -> None:
        """See `Source`."""
        assert outlets.audio is not None
        stamper = BlockStamper(self._rate, self._stream.latency)
        while not playback.stop.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: self._raw or self._finished, _POLL_S)
                raw = self._raw.popleft() if self._raw else None
            if raw is None:
                if self._finished:
                    raise SourceError(f"{self.name} was lost: it gives no more sound")
                continue
            for block in stamper.push(raw):
                if block.t >= playback.started_at and not outlets.audio.put(block):
                    return

    def close(self) -> None:
        """See `Source`."""
        self._stream.close()

    def _callback(self, data: npt.NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        # Some hosts leave the ADC time at 0.
        known = times.inputBufferAdcTime > 0 and times.currentTime > 0
        delay = times.currentTime - times.inputBufferAdcTime if known else None
        with self._arrived:
            if len(self._raw) >= _WAITING_BLOCKS:
                self._raw.popleft()
                self._raw[0] = replace(self._raw[0], lost=True)
            self._raw.append(RawBlock(now, delay, data.copy(), bool(status.input_overflow)))
            self._arrived.notify()

    def _on_finished(self) -> None:
        with self._arrived:
            self._finished = True
            self._arrived.notify()


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
