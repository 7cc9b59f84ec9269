"""A whole recording at once: the segments that the streamer cuts from it, for training and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from typing_extensions import Self

from emostream.engines.errors import SourceError
from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.detectors.base import FaceDetector
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.frontend.grid import seconds, segment_count, segment_end
from emostream.engines.frontend.placement import AudioPlacer
from emostream.engines.frontend.segmenter import Segment, Segmenter
from emostream.engines.media.container import Contents
from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.redaction import redacted
from emostream.engines.settings import SAMPLE_RATE

__all__ = ["OfflineRecording"]

_LONGEST_GAP_S = 60.0
_AHEAD_S = 2.0  # sound further ahead waits until the segments before it are cut: the ring holds seconds only


class OfflineRecording:
    """The segments of one file. `with` opens it; iterating decodes it from beginning to end, once.

    Attributes:
        length_s: seconds of the grid that its tracks span so far; the whole after the last segment.
    """

    def __init__(self, path: str, detector: FaceDetector, on_face: Callable[[FrameFace], None] | None = None) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: of the file.
            detector: finds faces in its pictures.
            on_face: told of what was seen in each picture, in grid time, in order.
        """
        self._path, self._on_face = path, on_face
        self._tracker = FaceTracker(detector)
        self.length_s = 0.0

    def __enter__(self) -> Self:
        """Open the tracks there are.

        Raises:
            SourceError: the file can't be opened, or one of its tracks can't be decoded. Iterating raises it, too,
                where the file's times jump by more than a minute.
        """
        contents = Contents.of(self._path)
        with ExitStack() as stack:
            self._audio = stack.enter_context(AudioTrack(self._path)) if contents.audio else None
            self._video = stack.enter_context(VideoTrack(self._path)) if contents.video else None
            self._stack = stack.pop_all()
        self._t0 = min(track.start for track in (self._audio, self._video) if track is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def to_grid(self, t: float) -> float:
        """See `GridClock`: the grid begins with the earlier track."""
        return t - self._t0

    def follow(self, t: float, grid: float) -> None:
        """See `GridClock`. Media times are exact, so there is nothing to follow."""

    def __iter__(self) -> Iterator[Segment]:
        segmenter = Segmenter(audio=self._audio is not None, video=self._video is not None)
        heard, seen = self._hear(segmenter), self._look(segmenter)
        hearing, seeing = self._audio is not None, self._video is not None
        while True:
            end = segment_end(segmenter.next_index)
            while hearing and segmenter.audio_end < end:
                hearing = next(heard, False)
            while seeing and segmenter.video_end < seconds(end):
                seeing = next(seen, False)
            if not (hearing or seeing):
                break
            yield segmenter.cut()
        self.length_s = max(self.to_grid(track.end) for track in (self._audio, self._video) if track is not None)
        for _ in range(segmenter.next_index, segment_count(max(self.length_s, 1 / SAMPLE_RATE))):
            yield segmenter.cut()

    def _refuse_jump(self, before: float, now: float) -> None:
        """Damaged timestamps would make hours of silence of a short file."""
        if now - before > _LONGEST_GAP_S:
            raise SourceError(
                f"{redacted(self._path)}: its times jump from {before:.1f} to {now:.1f} s, expected gaps of at most "
                f"{_LONGEST_GAP_S:.0f} s; it is damaged, or has to be cut in two"
            )

    def _hear(self, segmenter: Segmenter) -> Iterator[bool]:
        placer = AudioPlacer(segmenter, self)
        for block in self._audio or ():
            self._refuse_jump(segmenter.audio_end / SAMPLE_RATE, self.to_grid(block.t))
            while self.to_grid(block.t) > seconds(end := segment_end(segmenter.next_index)) + _AHEAD_S:
                segmenter.skip_audio(end)
                yield True
            placer.place(block)
            yield True

    def _look(self, segmenter: Segmenter) -> Iterator[bool]:
        for frame in self._video or ():
            self._refuse_jump(max(segmenter.video_end, 0.0), self.to_grid(frame.t))
            face = replace(self._tracker.update(frame.t, frame.image), t=self.to_grid(frame.t))
            segmenter.push_frame(face)
            if self._on_face is not None:
                self._on_face(face)
            yield True
