"""A microphone through PortAudio: the callback copies and stamps, a reader resamples."""

from __future__ import annotations

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

__all__ = ["BlockStamper", "Microphone", "list_microphones"]

_BLOCK_S = 0.02
_WAITING_BLOCKS = 100  # 2 s between callback and reader; beyond that the oldest are lost
_POLL_S = 0.1


@dataclass(frozen=True, eq=False)
class _Raw:
    t: float  # monotonic time of its first sample
    samples: npt.NDArray[np.float32]  # [n, channels]
    lost: bool


class BlockStamper:
    """Resamples raw blocks to mono at 16 kHz and carries their capture times over."""

    def __init__(self, rate: int) -> None:
        """Take `rate` samples a second."""
        self._rate = rate
        self._lost = False
        self._restart()

    def push(self, t: float, samples: npt.NDArray[np.float32], *, lost: bool = False) -> AudioBlock | None:
        """The block that one more raw block makes available, if any.

        Args:
            t: monotonic capture time of its first sample, in seconds.
            samples: float32 [n, channels].
            lost: samples were lost just before it.
        """
        if lost:
            self._lost = True
            self._restart()
        out = self._resampler.push(samples)
        # Output sample n belongs to input time n / 16000: what the resampler holds back only comes later.
        first = t - self._taken / self._rate + self._given / SAMPLE_RATE
        self._taken += samples.shape[0]
        self._given += out.size
        if not out.size:
            return None
        block = AudioBlock(first, out, self._lost)
        self._lost = False
        return block

    def _restart(self) -> None:
        self._resampler = MonoResampler(self._rate)
        self._taken = self._given = 0


class Microphone(Source):
    """A PortAudio input device, at whatever rate and channel count it has."""

    def __init__(self, device: str) -> None:
        """Name the device: `default`, an index, or a part of its name."""
        self.name = "the default microphone" if device == "default" else f"microphone {device}"
        self._device = device
        self._raw: deque[_Raw] = deque()
        self._arrived = threading.Condition()
        self._finished = False

    def open(self) -> None:
        """See `Source`."""
        sounddevice = load_portaudio()
        device: int | str | None = None if self._device == "default" else self._device
        if isinstance(device, str) and device.isdigit():
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
        except (sounddevice.PortAudioError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise SourceError(
                f"{self.name} can't be opened: {reason}; `emostream devices` lists the microphones"
            ) from None

    def run(self, outlets: Outlets, playback: Playback) -> None:
        """See `Source`."""
        assert outlets.audio is not None
        stamper = BlockStamper(self._rate)
        with self._stream:
            while not playback.stop.is_set():
                with self._arrived:
                    self._arrived.wait_for(lambda: self._raw or self._finished, _POLL_S)
                    raw = self._raw.popleft() if self._raw else None
                if raw is None:
                    if self._finished:
                        raise SourceError(f"{self.name} was lost: it gives no more sound")
                    continue
                block = stamper.push(raw.t, raw.samples, lost=raw.lost)
                if block is not None and not outlets.audio.put(block):
                    return

    def close(self) -> None:
        """See `Source`."""
        self._stream.close()

    def _callback(self, data: npt.NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        # Some hosts leave the ADC time at 0: then the block has just ended, and took the input latency to get here.
        if times.inputBufferAdcTime > 0 and times.currentTime > 0:
            t = now - (times.currentTime - times.inputBufferAdcTime)
        else:
            t = now - frames / self._rate - self._stream.latency
        with self._arrived:
            if len(self._raw) >= _WAITING_BLOCKS:
                self._raw.popleft()
                self._raw[0] = replace(self._raw[0], lost=True)
            self._raw.append(_Raw(t, data.copy(), bool(status.input_overflow)))
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
