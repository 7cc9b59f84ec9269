"""A copy of a clip with the results drawn in, at its own rate and size, with its sound."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from emostream.engines.errors import SourceError
from emostream.engines.frontend.clip import FrameFace
from emostream.engines.media.container import Contents, first_stream, open_container
from emostream.engines.media.track import VideoTrack
from emostream.engines.media.video import even_sided, fitted, picture_codec
from emostream.engines.recognizer import Recognizer
from emostream.streamer.annotate.drawing import Drawing, SeenFace
from emostream.streamer.annotate.sound import SoundCopy
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.eventlog.timeline import display_interval
from emostream.streamer.offline import StoppedError, recognise
from emostream.streamer.protocol.events import EmotionEvent

__all__ = ["Recognised", "recognise_faces", "write_video"]

_FINEST = 1_000_000  # of MP4's ticks a second
_USUAL = Fraction(1, 90_000)
# Without B-frames, since MP4 gets the length of tracks with uneven times wrong with them, and players cut them short.
_OPTIONS: dict[str, object] = {"preset": "veryfast", "crf": "18", "bf": "0"}


class Recognised:
    """What a clip shows: the face in each picture, and the segments' events.

    Attributes:
        faces: by the number of the picture.
        events: of the segments, in order.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.faces: list[SeenFace] = []
        self.events: list[EmotionEvent] = []
        self._starts: list[float] = []

    def note_face(self, face: FrameFace) -> None:
        """Take what was seen in the next picture."""
        self.faces.append(SeenFace(face.t, face.box, face.eyes))

    def note_event(self, event: EmotionEvent) -> None:
        """Take the next segment's event."""
        self._starts.append(display_interval(event.media_time)[0] if self.events else float("-inf"))
        self.events.append(event)

    def event_at(self, t: float) -> EmotionEvent | None:
        """The event in whose display interval a time of the stream lies; the last one's goes on to the end."""
        place = bisect_right(self._starts, t + 1e-6) - 1
        return self.events[place] if place >= 0 else None


def recognise_faces(
    clip: Path,
    recognizer: Recognizer,
    options: RecognitionConfig,
    stop: threading.Event,
    on_progress: Callable[[float], None],
) -> Recognised:
    """Recognise a clip that has pictures.

    Args:
        clip: a file.
        recognizer: with a loaded engine.
        options: that chose it.
        stop: ends the work.
        on_progress: told how many seconds of the clip are done.

    Raises:
        SourceError: it can't be read, or has no pictures.
        StoppedError: it was asked to.
    """
    if not Contents.of(str(clip)).video:
        raise SourceError(f"{clip} has no pictures to draw on; subtitles (.vtt) and ELAN's tiers (.eaf) do without")
    found = Recognised()
    for each in recognise(str(clip), recognizer, options, stop, found.note_face):
        for event in each.events:
            if isinstance(event, EmotionEvent):
                found.note_event(event)
                on_progress(event.media_time)
    return found


def write_video(
    clip: Path,
    target: Path,
    found: Recognised,
    labels: Sequence[str],
    stop: threading.Event,
    on_progress: Callable[[float], None],
) -> None:
    """Write the copy as MP4.

    Args:
        clip: a file with pictures.
        target: where to.
        found: of this clip.
        labels: of the bundle.
        stop: ends the work.
        on_progress: told how many seconds of the clip are done.

    Raises:
        SourceError: the clip can't be read.
        OSError: the copy can't be written.
        StoppedError: it was asked to.
    """
    try:
        with (
            VideoTrack(str(clip)) as track,
            av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output,
            SoundCopy(str(clip), output) as sound,
        ):
            _copy(track, output, sound, found, labels, stop, on_progress)
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from None


def _copy(
    track: VideoTrack,
    output: OutputContainer,
    sound: SoundCopy,
    found: Recognised,
    labels: Sequence[str],
    stop: threading.Event,
    on_progress: Callable[[float], None],
) -> None:
    base, rate = _pace(track.path)
    encoder: VideoStream | None = None
    lengths: dict[int, int] = {}  # in ticks, by the time of the picture
    last = -1
    for frame, face in zip(track, found.faces, strict=False):
        if stop.is_set():
            raise StoppedError(f"stopped before {track.path} was copied")
        image = even_sided(frame.image)
        if encoder is None:
            height, width = image.shape[:2]
            encoder, drawing = _encoder(output, width, height, base, rate), Drawing(labels, height, width)
        image = fitted(image, width, height).copy()  # a track may change its size
        drawing.draw(image, face, found.event_at(face.t))
        picture = av.VideoFrame.from_ndarray(image, format="bgr24")
        picture.pts, picture.time_base = max(round(Fraction(frame.t) / base), last + 1), base
        last = picture.pts
        lengths[last] = max(round(frame.duration / base), 1)
        _mux(output, encoder.encode(picture), lengths)
        sound.write_until(frame.t)
        on_progress(face.t)
    if encoder is not None:
        _mux(output, encoder.encode(None), lengths)
    sound.finish()


def _mux(output: OutputContainer, packets: Iterable[av.Packet[VideoStream]], lengths: dict[int, int]) -> None:
    """Write packets, and how long each is shown: of the last one nothing else tells it."""
    for packet in packets:
        packet.duration = lengths.pop(packet.pts or 0, packet.duration or 0)
        output.mux(packet)


def _pace(clip: str) -> tuple[Fraction, Fraction]:
    """Ticks and rate of a clip's pictures, so that every picture keeps its time exactly."""
    with open_container(clip) as container:
        stream = first_stream(container, "video")
        assert isinstance(stream, VideoStream)
        base, rate = stream.time_base or _USUAL, stream.average_rate or stream.guessed_rate or Fraction(30)
    return (base if base.numerator == 1 and base.denominator <= _FINEST else _USUAL), Fraction(rate)


def _encoder(output: OutputContainer, width: int, height: int, base: Fraction, rate: Fraction) -> VideoStream:
    codec = picture_codec()
    encoder = cast(VideoStream, output.add_stream(codec, rate=rate))
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.codec_context.time_base = encoder.time_base = base
    if codec == "libx264":
        encoder.options = _OPTIONS
    else:
        encoder.bit_rate = max(2_000_000, width * height * 8)
    return encoder
