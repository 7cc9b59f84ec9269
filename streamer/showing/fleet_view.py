"""`--view` of several streams: a line for each in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from emostream.engines.bundle import Manifest
from emostream.streamer.events import EmotionEvent, Event
from emostream.streamer.showing.console import describe_scene
from emostream.streamer.stream import Stream

__all__ = ["FleetView"]


class FleetView:
    """Draws the newest event of each stream, as often as whoever owns the terminal asks for it."""

    def __init__(self, streams: Sequence[Stream], manifest: Manifest) -> None:
        """Show these streams; `manifest` is that of what recognises."""
        self._streams, self._manifest = streams, manifest
        self._events: dict[str, EmotionEvent] = {}

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        if isinstance(event, EmotionEvent):
            self._events[event.stream] = event

    def __rich__(self) -> RenderableType:
        title = f"emostream · {self._manifest.name}"
        if not self._manifest.trained:
            title += " · UNTRAINED: the scores mean nothing"
        table = Table("stream", "label", "head", "face", "voice", "latency, ms", "dropped", "", title=title)
        for stream in self._streams:
            table.add_row(*self._row(stream, self._events.get(stream.name)))
        return table

    def _row(self, stream: Stream, event: EmotionEvent | None) -> tuple[RenderableType, ...]:
        latency = stream.served.channel.latency_quantiles()
        label = Text("-", style="dim")
        if event and event.label is not None and event.scores is not None:
            label = Text(f"{event.label} {event.scores[event.label]:.0%}", style="bold cyan")
        return (
            stream.name,
            label,
            event.head if event and event.head else "-",
            _mark(event is not None and event.modalities.video),
            _mark(event is not None and event.modalities.audio),
            f"{latency.p50:.0f} (p99 {latency.p99:.0f})" if latency else "-",
            f"{stream.meters.dropped().segments} segments",
            Text(self._note(stream, event), style="yellow"),
        )

    def _note(self, stream: Stream, event: EmotionEvent | None) -> str:
        if stream.failure is not None:
            return str(stream.failure)
        if event is None or event.label is not None:
            return ""
        return describe_scene(stream.meters.levels, stream.states)


def _mark(there: bool) -> Text:
    return Text("●", style="green") if there else Text("○", style="yellow")
