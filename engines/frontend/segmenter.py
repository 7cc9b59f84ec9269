"""Segments: 655 ms of voice and face, cut from the grid every 300 ms. Training and streaming share this code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.clip import REACH_S, FrameFace, TickTrack, select_clip_frames
from emostream.engines.frontend.grid import (
    SEGMENT_TICKS,
    SHIFT_TICKS,
    seconds,
    segment_end,
    segment_start,
    tick_seconds,
)
from emostream.engines.frontend.logmel import mel_input
from emostream.engines.frontend.ring import AudioRing
from emostream.engines.frontend.voice import CHUNK_SAMPLES, VOICED_SAMPLES, SpeechTrack
from emostream.engines.settings import SAMPLE_RATE, SEGMENT_SAMPLES

__all__ = ["AbsenceReason", "Segment", "Segmenter"]

AbsenceReason = Literal["no_face", "no_voice", "source_lost", "off"]

_RING_SAMPLES = 8 * SAMPLE_RATE
_ARRIVED_SHARE = 0.9  # of a segment's samples, for its audio to count as present
_HALF_THE_TICKS = SEGMENT_TICKS // 2  # with a face, for a segment's video to count as present


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment, ready for the networks.

    Attributes:
        index: k; the segment spans [0.3 k, 0.3 k + 0.655) seconds of the grid.
        samples: float32 [10480], zero where nothing arrived; None without an audio source.
        mel: float32 [3, 64, 64], or None where the voice is absent.
        clip: uint8 [16, 150, 110, 3], RGB, or None where the face is absent.
        ticks: the ticks of the grid that the sixteen frames of `clip` serve; empty where the face is absent.
        audio_reason: why the voice is absent; None where it is present.
        video_reason: why the face is absent; None where it is present.
        speech_first: index of the first chunk in `speech`.
        speech: whether each 32 ms chunk is speech, for the chunks completed since the segment before.
        box: the face in its newest frame that has one, x, y, width, height in pixels; None where it is absent.
        frame_size: width and height of its newest frame; None without a frame.
    """

    index: int
    samples: npt.NDArray[np.float32] | None
    mel: npt.NDArray[np.float32] | None
    clip: npt.NDArray[np.uint8] | None
    ticks: tuple[int, ...]
    audio_reason: AbsenceReason | None
    video_reason: AbsenceReason | None
    speech_first: int
    speech: tuple[bool, ...]
    box: tuple[int, int, int, int] | None
    frame_size: tuple[int, int] | None

    @property
    def t_start(self) -> float:
        """Grid time of its start in seconds."""
        return seconds(segment_start(self.index))

    @property
    def t_end(self) -> float:
        """Grid time of its end in seconds."""
        return seconds(segment_end(self.index))


@dataclass(frozen=True, eq=False)
class _Heard:
    """The half of a segment that its sound gives."""

    samples: npt.NDArray[np.float32] | None
    mel: npt.NDArray[np.float32] | None
    reason: AbsenceReason | None
    speech_first: int = 0
    speech: tuple[bool, ...] = ()


@dataclass(frozen=True, eq=False)
class _Seen:
    """The half of a segment that its pictures give."""

    clip: npt.NDArray[np.uint8] | None
    reason: AbsenceReason | None
    ticks: tuple[int, ...] = ()
    newest: FrameFace | None = None


class Segmenter:
    """Cuts a stream into segments. It knows only grid times, so that its result never depends on load.

    Whoever feeds it decides when a segment is cut: `cut` treats whatever has not come by then as missing.
    """

    def __init__(self, *, audio: bool, video: bool) -> None:
        """Start at segment 0 of a stream that has an audio source, a video source, or both."""
        self._has_video = video
        self._ring = AudioRing(_RING_SAMPLES)
        self._speech = SpeechTrack() if audio else None
        self._ticks = TickTrack()
        self._video_end = float("-inf")
        self._reported_chunks = 0
        self.next_index = 0

    @property
    def audio_end(self) -> int:
        """Grid position after the newest sample."""
        return self._ring.end

    @property
    def video_end(self) -> float:
        """Grid time of the newest frame in seconds; minus infinity before the first."""
        return self._video_end

    @property
    def speaking(self) -> bool | None:
        """Whether the newest chunk is speech; None without an audio source."""
        return self._speech.speaking if self._speech else None

    def push_audio(self, samples: npt.NDArray[np.float32]) -> None:
        """Append float32 mono samples of 16 kHz at `audio_end`."""
        for start in range(0, samples.size, _RING_SAMPLES // 2):
            self._ring.write(samples[start : start + _RING_SAMPLES // 2])
            self._detect_speech()

    def skip_audio(self, position: int) -> None:
        """Mark the grid up to sample `position` as missing."""
        while self._ring.end < position:
            self._ring.skip_to(min(position, self._ring.end + _RING_SAMPLES // 2))
            self._detect_speech()

    def push_frame(self, frame: FrameFace) -> None:
        """Take the next frame of video, later than the one before."""
        self._ticks.push(frame)
        self._video_end = frame.t

    def settled_by(self, t: float) -> bool:
        """Whether a next frame at grid time `t` could serve no tick of the next segment: the nearest are there."""
        last = tick_seconds(self.next_index * SHIFT_TICKS + SEGMENT_TICKS - 1)
        return t - last > REACH_S or last - self._video_end <= t - last

    def cut(self) -> Segment:
        """Cut the next segment from what has come."""
        index = self.next_index
        heard, seen = self._cut_audio(index), self._cut_video(index)
        self.next_index += 1
        return Segment(
            index=index,
            samples=heard.samples,
            mel=heard.mel,
            clip=seen.clip,
            ticks=seen.ticks,
            audio_reason=heard.reason,
            video_reason=seen.reason,
            speech_first=heard.speech_first,
            speech=heard.speech,
            box=seen.newest.box if seen.newest and seen.clip is not None else None,
            frame_size=seen.newest.size if seen.newest else None,
        )

    def _detect_speech(self) -> None:
        assert self._speech is not None, "audio was pushed into a stream without an audio source"
        while (self._speech.chunks + 1) * CHUNK_SAMPLES <= self._ring.end:
            start = self._speech.chunks * CHUNK_SAMPLES
            self._speech.push(*self._ring.read(start, start + CHUNK_SAMPLES))

    def _cut_audio(self, index: int) -> _Heard:
        if self._speech is None:
            return _Heard(None, None, "off")
        start, end = segment_start(index), segment_end(index)
        self.skip_audio(end)
        samples, arrived = self._ring.read(start, end)
        first, stop = self._reported_chunks, end // CHUNK_SAMPLES
        flags = self._speech.flags(first, stop)
        self._reported_chunks = stop
        voiced = self._speech.speech_samples(start, end) >= VOICED_SAMPLES
        self._speech.forget(segment_start(index + 1))
        if arrived < _ARRIVED_SHARE * SEGMENT_SAMPLES:
            return _Heard(samples, None, "source_lost", first, flags)
        if not voiced:
            return _Heard(samples, None, "no_voice", first, flags)
        return _Heard(samples, mel_input(samples), None, first, flags)

    def _cut_video(self, index: int) -> _Seen:
        if not self._has_video:
            return _Seen(None, "off")
        first = index * SHIFT_TICKS
        self._ticks.decide_until(first + SEGMENT_TICKS)
        ticks = enumerate(self._ticks.span(first, first + SEGMENT_TICKS), first)
        frames = [(tick, frame) for tick, frame in ticks if frame is not None]
        self._ticks.forget(first + SHIFT_TICKS)
        if not frames:
            return _Seen(None, "source_lost")
        faces = [(tick, frame, frame.crop) for tick, frame in frames if frame.crop is not None]
        if len(faces) < _HALF_THE_TICKS:
            lost = len(frames) < _HALF_THE_TICKS
            return _Seen(None, "source_lost" if lost else "no_face", newest=frames[-1][1])
        chosen = select_clip_frames(faces)
        clip = np.stack([crop for _, _, crop in chosen])
        return _Seen(clip, None, tuple(tick for tick, _, _ in chosen), newest=faces[-1][1])
