"""Timing the parts of the front end on one clip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.machine import SETTLE_S
from benchmarks.material import Clip
from benchmarks.tables import Summary
from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.detectors.base import Box, Face, FaceDetector
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.frontend.grid import SHIFT_TICKS, seconds, segment_end, segment_start
from emostream.engines.frontend.logmel import mel_input
from emostream.engines.frontend.picture import Image
from emostream.engines.frontend.segmenter import Segmenter
from emostream.engines.frontend.voice import CHUNK_SAMPLES, SpeechTrack
from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.settings import GRID_FPS, SAMPLE_RATE, SEGMENT_SAMPLES

__all__ = ["HEIGHT", "PER_SECOND", "WIDTH", "ClipCost", "clip_cost", "warm_up"]

WIDTH, HEIGHT = 640, 480
PER_SECOND = {"vision": GRID_FPS, "voice": SAMPLE_RATE / CHUNK_SAMPLES, "cut": GRID_FPS / SHIFT_TICKS}


@dataclass(frozen=True)
class ClipCost:
    """What one clip took.

    Attributes:
        clip: what it holds.
        measured_size: width and height of the frames as measured, in pixels; None without video.
        face_share: of the frames, those with a face, followed or kept through a short loss; None without video.
        eyes_share: of the frames, those in which both eyes were found too.
        parts_ms: milliseconds for one item; parts that the clip doesn't have are missing:
            vision: a frame, all in all: detection, smoothing, alignment;
            search: a full detection, where there is no face to follow;
            follow: a detection near the last place;
            mel: log-Mel with both deltas, for every segment, voiced or not;
            voice: voice activity, for every chunk of 32 ms;
            cut: a segment out of both tracks, with log-Mel where it is voiced and a clip where it has a face.
        second_ms: vision, voice and cut at their means, for one second of a stream of 30 frames a second.
    """

    clip: Clip
    measured_size: tuple[int, int] | None
    face_share: float | None
    eyes_share: float | None
    parts_ms: dict[str, Summary]
    second_ms: float


def clip_cost(file: Path) -> ClipCost:
    """Play a clip through every part, as quickly as possible, in this thread.

    Raises:
        SourceError: it can't be read.
    """
    clip = Clip.of(file)
    times: dict[str, list[float]] = {part: [] for part in ("vision", "search", "follow", "mel", "voice", "cut")}
    segmenter = Segmenter(audio=clip.audio, video=clip.frame_size is not None)
    samples = _sound(file, clip) if clip.audio else None
    size, faces, eyes = None, 0, 0

    def cut() -> None:
        if samples is not None:
            segmenter.push_audio(samples[segmenter.audio_end : segment_end(segmenter.next_index)])
        with _timing(times["cut"]):
            segmenter.cut()

    if clip.frame_size is not None:
        for face, has_eyes in _faces(file, clip, times):
            size = face.size
            faces += face.crop is not None
            eyes += face.crop is not None and has_eyes
            segmenter.push_frame(face)
            while face.t >= seconds(segment_end(segmenter.next_index)) and segmenter.next_index < clip.segments:
                cut()
    while segmenter.next_index < clip.segments:
        cut()
    if samples is not None:
        _hear(samples, clip.segments, times)
    parts = {part: summary for part, each in times.items() if (summary := Summary.of(each)) is not None}
    return ClipCost(
        clip=clip,
        measured_size=size,
        face_share=round(faces / clip.frames, 4) if clip.frames else None,
        eyes_share=round(eyes / clip.frames, 4) if clip.frames else None,
        parts_ms=parts,
        second_ms=round(sum(rate * parts[part].mean for part, rate in PER_SECOND.items() if part in parts), 3),
    )


def warm_up() -> None:
    """Run every part on noise, until the code is loaded and the processor has its speed."""
    noise = np.random.default_rng(0)
    image = noise.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    sound = noise.standard_normal(SEGMENT_SAMPLES).astype(np.float32) * np.float32(0.1)
    detector, speech = choose_detector().make(), SpeechTrack()
    until = time.perf_counter() + SETTLE_S
    while time.perf_counter() < until:
        detector.search(image)
        mel_input(sound)
        speech.push(sound[:CHUNK_SAMPLES], CHUNK_SAMPLES)


class _Noting:
    """A detector that notes what its calls take, and whether the last one found both eyes."""

    def __init__(self, detector: FaceDetector, times: dict[str, list[float]]) -> None:
        self._detector, self._times = detector, times
        self.eyes = False

    def search(self, image: Image) -> list[Face]:
        """See `FaceDetector`."""
        with _timing(self._times["search"]):
            faces = self._detector.search(image)
        self.eyes = any(face.eyes for face in faces)
        return faces

    def follow(self, image: Image, box: Box) -> Face | None:
        """See `FaceDetector`."""
        with _timing(self._times["follow"]):
            found = self._detector.follow(image, box)
        self.eyes = found is not None and found.eyes is not None
        return found


def _faces(file: Path, clip: Clip, times: dict[str, list[float]]) -> Iterator[tuple[FrameFace, bool]]:
    """Every frame's face on the grid, and whether both eyes were found when it was last looked for."""
    detector = _Noting(choose_detector().make(), times)
    tracker = FaceTracker(detector)
    with VideoTrack(str(file)) as video:
        for frame in video:
            image = _fitted(frame.image)
            with _timing(times["vision"]):
                face = tracker.update(frame.t, image)
            yield replace(face, t=frame.t - clip.start), detector.eyes


def _fitted(image: Image) -> Image:
    """A frame 640 pixels wide; of one that is higher than 480 then, the middle rows."""
    height = round(image.shape[0] * WIDTH / image.shape[1])
    if (height, WIDTH) != image.shape[:2]:
        image = np.asarray(cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    above = max(0, height - HEIGHT) // 2
    return np.ascontiguousarray(image[above : above + HEIGHT])


def _sound(file: Path, clip: Clip) -> npt.NDArray[np.float32]:
    """The clip's sound from grid time 0 on, zeros where there is none; at least one segment long."""
    samples = np.zeros(max(round(clip.seconds * SAMPLE_RATE), SEGMENT_SAMPLES), np.float32)
    with AudioTrack(str(file)) as audio:
        for block in audio:
            place = samples[round((block.t - clip.start) * SAMPLE_RATE) :]
            length = min(place.size, block.samples.size)
            place[:length] = block.samples[:length]
    return samples


def _hear(samples: npt.NDArray[np.float32], segments: int, times: dict[str, list[float]]) -> None:
    """Log-Mel of every segment, and voice activity of every chunk."""
    for index in range(segments):
        segment = samples[segment_start(index) : segment_end(index)]
        with _timing(times["mel"]):
            mel_input(segment)
    speech = SpeechTrack()
    for start in range(0, samples.size - CHUNK_SAMPLES + 1, CHUNK_SAMPLES):
        chunk = samples[start : start + CHUNK_SAMPLES]
        with _timing(times["voice"]):
            speech.push(chunk, CHUNK_SAMPLES)


@contextmanager
def _timing(times: list[float]) -> Iterator[None]:
    """Append the milliseconds that the block took."""
    begun = time.perf_counter()
    yield
    times.append(1000.0 * (time.perf_counter() - begun))
