"""The command `emostream review`: a report of a recording, of events, or of a clip."""

from __future__ import annotations

import threading
import webbrowser
from contextlib import suppress
from pathlib import Path

import typer

from emostream.engines.errors import ConfigError
from emostream.engines.files import check_target
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.eventlog.inputs import EventsSource, events_source
from emostream.streamer.eventlog.reader import SessionKey
from emostream.streamer.offline import StoppedError, recognise, recognizer_of
from emostream.streamer.protocol.events import EmotionEvent
from emostream.streamer.review.columns import SessionColumns
from emostream.streamer.review.figures import Row
from emostream.streamer.review.heads import ask_heads, heads_of
from emostream.streamer.review.report_page import GENERATOR, Report, render
from emostream.streamer.stopping import STOPPING
from emostream.streamer.terminal.progress import length_of, showing
from emostream.streamer.whole_file import whole_file

__all__ = ["review"]

_MOST_SESSIONS = 12
_MOST_ASKED = 12_000  # segments of a recording whose media are recognised again: an hour
_SUFFIXES = (".html", ".htm")
_EVERY = 2000  # events between two moves of the bar
_HEAD_BYTES = 4096


def review(source: Path, target: Path, options: RecognitionConfig, *, force: bool = False, show: bool = False) -> None:
    """Make a report.

    Args:
        source: the folder of a recording, a file of events, or a clip.
        target: the HTML file to come; an earlier report is replaced.
        options: what recognises a clip, or the media of a recording.
        force: replace any other file, too.
        show: open it in the browser.

    Raises:
        EmostreamError: something can't be read, written or loaded, or the options don't fit.
    """
    if target.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{target} ends in {target.suffix or 'no suffix'}; a report is HTML, expected a name.html")
    force = force or _is_report(target)
    check_target(target, force=force, source=source)
    stop = threading.Event()
    STOPPING.hand_to(stop)
    events = events_source(source)
    report = _of_clip(source, options, stop) if events is None else _of_events(source, events, options, stop)
    page = render(report)
    with whole_file(target, force=force, stop=stop) as part:
        part.write_text(page, encoding="utf-8")
    typer.echo(f"made {target}: {sum(map(len, report.sessions)):,} segments, {len(page.encode()) / 1e3:,.0f} kB")
    if show and not webbrowser.open(target.resolve().as_uri()):
        typer.echo(f"there is no browser to show it; open {target} yourself")


def _of_events(given: Path, source: EventsSource, options: RecognitionConfig, stop: threading.Event) -> Report:
    sessions: dict[SessionKey, SessionColumns] = {}
    labels = _labels(source)
    with showing() as progress:
        reading = progress("reading", None)
        for number, event in enumerate(source.file):
            if number == 0:
                reading = progress("reading", float(source.file.size))
            if number % _EVERY == 0:
                reading(source.file.bytes_read)
                if stop.is_set():
                    raise StoppedError(f"stopped before {source.file.path} was read")
            session = SessionKey(event.stream, event.session)
            if session not in sessions:
                sessions[session] = SessionColumns(*session, labels)
            sessions[session].add(event)
    found = [session for session in sessions.values() if len(session) or session.turns]
    if not found:
        source.file.sessions()  # which says that there are none
    shown = sorted(sorted(found, key=len, reverse=True)[:_MOST_SESSIONS], key=found.index)
    _ask_heads(shown, source, options, stop)
    return Report(
        title=f"Recording {source.file.path.parent.resolve().name if given.is_dir() else given.name}",
        source=str(source.file.path),
        sessions=shown,
        left_out=len(found) - len(shown),
        skipped=source.file.skipped,
        description=source.description,
    )


def _ask_heads(
    sessions: list[SessionColumns], source: EventsSource, options: RecognitionConfig, stop: threading.Event
) -> None:
    """Have voice and face tell by themselves where pictures and sound were recorded, if that takes minutes at most."""
    media = {
        session: path for session in sessions if (path := source.media(session.stream)) and len(session) <= _MOST_ASKED
    }
    if not media:
        return
    said = source.description.get("bundle")
    with recognizer_of(options) as recognizer, showing() as progress:
        if not isinstance(said, dict) or said.get("sha256") != recognizer.bundle.sha256:
            typer.echo("where voice and face disagree is left out: give the recording's own bundle with --bundle")
            return
        for session, path in media.items():
            ask_heads(session, path, recognizer, options, stop, progress(f"asking {session.stream}", length_of(path)))


def _of_clip(clip: Path, options: RecognitionConfig, stop: threading.Event) -> Report:
    total = length_of(clip)
    with recognizer_of(options) as recognizer, showing() as progress:
        recognising = progress("recognising", total)
        manifest, engine = recognizer.bundle.manifest, recognizer.engine
        session = SessionColumns(clip.name, "", manifest.labels)
        for each in recognise(str(clip), recognizer, options, stop):
            for event in each.events:
                session.add(event)
                if isinstance(event, EmotionEvent):
                    session.add_heads(*heads_of(each, recognizer))
                    recognising(event.media_time)
    trained = "trained" if manifest.trained else "untrained: its scores mean nothing"
    return Report(
        title=f"Clip {clip.name}",
        source=str(clip),
        sessions=[session],
        facts=[
            Row("bundle", f"{manifest.name} ({manifest.preset}, {trained})", recognizer.bundle.sha256),
            Row("engine", f"{engine.name} on {engine.device}, {engine.precision}"),
        ],
    )


def _labels(source: EventsSource) -> list[str]:
    """In the bundle's order, where the recording tells it."""
    bundle = source.description.get("bundle")
    labels = bundle.get("labels") if isinstance(bundle, dict) else None
    return [str(label) for label in labels][:100] if isinstance(labels, list) else []


def _is_report(target: Path) -> bool:
    """Whether a file is a report of ours, which may be replaced."""
    with suppress(OSError, ValueError), target.open("rb") as file:
        return f'content="{GENERATOR}"'.encode() in file.read(_HEAD_BYTES)
    return False
