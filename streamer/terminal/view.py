"""`--view`: scores, levels and rates in the terminal, for one stream or several."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from emostream.engines.bundle import Manifest
from emostream.streamer.pipeline.stream import Stream
from emostream.streamer.protocol.events import EmotionEvent, Event
from emostream.streamer.terminal.console import describe_scene

__all__ = ["FleetView", "View"]

_BAR_WIDTH = 40


class View:
    """Draws the newest event and the meters, as often as whoever owns the terminal asks for it."""

    def __init__(self, stream: Stream, manifest: Manifest) -> None:
        """Show this stream; `manifest` is that of what recognises."""
        self._stream, self._manifest = stream, manifest
        self._event: EmotionEvent | None = None

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        if isinstance(event, EmotionEvent):
            self._event = event

    def __rich__(self) -> RenderableType:
        title = f"emostream · {self._stream.name} · {self._manifest.name}"
        if not self._manifest.trained:
            title += " · UNTRAINED: the scores mean nothing"
        return Panel(Group(self._scores(), Text(), self._signals(), self._figures()), title=title, width=78)

    def _scores(self) -> RenderableType:
        event = self._event
        table = Table.grid(padding=(0, 1))
        for label in self._manifest.labels:
            score = event.scores[label] if event and event.scores else 0.0
            best = event is not None and event.label == label
            style = "bold cyan" if best else "dim"
            table.add_row(
                Text(label, style=style),
                ProgressBar(total=1.0, completed=score, width=_BAR_WIDTH, complete_style=style, finished_style=style),
                Text(f"{score:4.0%}" if event and event.scores else "  - ", style=style),
            )
        return table

    def _signals(self) -> Text:
        event, levels = self._event, self._stream.meters.levels
        text = Text()
        for name, there in (
            ("face", event is not None and event.modalities.video),
            ("voice", event is not None and event.modalities.audio),
        ):
            text.append(f" {'●' if there else '○'} {name}  ", style="green" if there else "yellow")
        text.append(f"head {event.head if event and event.head else '-'}  ")
        if event and event.utterance:
            text.append(f"utterance {event.utterance.id}  ")
        if event and event.label is None:
            text.append(f"\n {describe_scene(levels, self._stream.states)}", style="yellow")
        return text

    def _figures(self) -> Text:
        meters = self._stream.meters
        latency = self._stream.channel.latency_quantiles()
        dropped = meters.dropped()
        level = meters.levels.audio_dbfs
        lag = f"{latency.p50:.0f} ms (p99 {latency.p99:.0f})" if latency else "-"
        return Text(
            f" {meters.frames.per_second():.1f} frames/s  {meters.segments.per_second():.1f} segments/s  "
            f"audio {meters.audio_s.per_second():.0%} {'' if level is None else f'{level:.0f} dB'}  latency {lag}\n"
            f" dropped: {dropped.segments} segments, {dropped.frames} frames, {dropped.audio_ms:.0f} ms of audio",
            style="dim",
        )


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
        latency = stream.channel.latency_quantiles()
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
