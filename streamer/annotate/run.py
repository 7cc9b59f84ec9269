"""The command `emostream annotate`: a clip, or events, in a form that other programs show."""

from __future__ import annotations

import threading
from pathlib import Path

import typer

from emostream.engines.errors import ConfigError
from emostream.engines.files import check_target
from emostream.engines.starter import STARTER
from emostream.streamer.annotate.eaf import write_eaf
from emostream.streamer.annotate.video import recognise_faces, write_video
from emostream.streamer.annotate.vtt import write_vtt
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.eventlog.inputs import EVENTS_SUFFIXES, EventsSource, events_source
from emostream.streamer.eventlog.reader import SessionKey
from emostream.streamer.eventlog.timeline import Timeline, TimelineBuilder
from emostream.streamer.offline import StoppedError, recognise, recognizer_of
from emostream.streamer.stopping import STOPPING
from emostream.streamer.terminal.progress import length_of, showing
from emostream.streamer.whole_file import whole_file

__all__ = ["SUFFIXES", "annotate"]

_EVERY = 2000  # events between two moves of the bar

SUFFIXES = {".mp4": "a video", ".eaf": "tiers for ELAN", ".vtt": "subtitles"}


def annotate(
    source: Path,
    target: Path,
    options: RecognitionConfig,
    *,
    force: bool = False,
    stream: str | None = None,
    media: Path | None = None,
) -> None:
    """Make a file of a clip or of events.

    Args:
        source: a clip, a file of events, or the folder of a recording.
        target: what to make; its suffix says.
        options: what recognises a clip.
        force: replace a file that is there already.
        stream: of the events, where there are several.
        media: what the events belong to.

    Raises:
        EmostreamError: something can't be read, written or loaded, or the options don't fit.
    """
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(f"{name} ({what})" for name, what in SUFFIXES.items())
        raise ConfigError(f"{target} ends in {suffix or 'no suffix'}; expected a name that ends in one of {known}")
    check_target(target, force=force, source=source)
    stop = threading.Event()
    STOPPING.hand_to(stop)
    events = events_source(source)
    if events is None:
        if stream is not None or media is not None:
            raise ConfigError(
                f"--stream and --media are for events ({', '.join(EVENTS_SUFFIXES)}), but {source} is a clip"
            )
        what = _of_clip(source, target, suffix, options, stop, force=force)
    else:
        if suffix == ".mp4":
            raise ConfigError(
                f"{target} needs pictures, and {source} holds events; give the clip, or name .eaf or .vtt"
            )
        if media is not None and not media.is_file():
            raise ConfigError(f"--media {media} is no file; expected the clip that the events belong to")
        if options != RecognitionConfig(bundle=STARTER):
            raise ConfigError(
                f"--bundle, --engine, --precision and --face-model are for clips, but {source} holds events"
            )
        line, session = _timeline_of(events, stream, stop)
        what = _write_line(line, target, suffix, media or events.media(session.stream), stop, force=force)
    typer.echo(f"made {target}: {what}")


def _of_clip(
    clip: Path, target: Path, suffix: str, options: RecognitionConfig, stop: threading.Event, *, force: bool
) -> str:
    total = length_of(clip)
    with recognizer_of(options) as recognizer, showing() as progress:
        recognising = progress("recognising", total)
        if suffix == ".mp4":
            found = recognise_faces(clip, recognizer, options, stop, recognising)
            with whole_file(target, force=force, stop=stop) as part:
                write_video(clip, part, found, recognizer.bundle.manifest.labels, stop, progress("drawing", total))
            return f"{len(found.faces)} pictures, {len(found.events)} segments"
        builder = TimelineBuilder()
        for each in recognise(str(clip), recognizer, options, stop):
            for event in each.events:
                builder.add(event)
                recognising(event.media_time)
    return _write_line(builder.finish(), target, suffix, clip, stop, force=force)


def _write_line(
    line: Timeline, target: Path, suffix: str, media: Path | None, stop: threading.Event, *, force: bool
) -> str:
    with whole_file(target, force=force, stop=stop) as part:
        if suffix == ".vtt":
            write_vtt(part, line)
        else:
            write_eaf(part, line, media=media, target=target)
    return f"{len(line.intervals)} segments, {len(line.utterances)} utterances"


def _timeline_of(source: EventsSource, stream: str | None, stop: threading.Event) -> tuple[Timeline, SessionKey]:
    sessions = source.file.sessions()
    names = list(dict.fromkeys(session.stream for session in sessions))
    if stream is None and len(names) > 1:
        raise ConfigError(f"{source.file.path} holds the streams {', '.join(names)}; choose one with --stream")
    if stream is not None and stream not in names:
        raise ConfigError(f"{source.file.path} holds no stream {stream}; expected one of {', '.join(names)}")
    fitting = [session for session in sessions if session.stream == (stream or names[0])]
    if len(fitting) > 1:
        typer.echo(f"{source.file.path} holds {len(fitting)} sessions of {fitting[-1].stream}: taking the last one")
    builder = TimelineBuilder()
    with showing() as progress:
        reading = progress("reading", float(source.file.size))
        for number, event in enumerate(source.file):
            if number % _EVERY == 0:
                reading(source.file.bytes_read)
                if stop.is_set():
                    raise StoppedError(f"stopped before {source.file.path} was read")
            if (event.stream, event.session) == fitting[-1]:
                builder.add(event)
    return builder.finish(), fitting[-1]
