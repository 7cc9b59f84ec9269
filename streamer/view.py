"""`--view`: a live picture of the session in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamer.console import describe_scene
from streamer.events import EmotionEvent, Event
from streamer.pipeline import Pipeline

__all__ = ["View"]

_BAR_WIDTH = 40


class View:
    """Draws the newest event and the meters, as often as whoever owns the terminal asks for it."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Show this session."""
        self._pipeline = pipeline
        self._event: EmotionEvent | None = None

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        if isinstance(event, EmotionEvent):
            self._event = event

    def __rich__(self) -> RenderableType:
        manifest = self._pipeline.bundle.manifest
        title = f"emostream · {self._pipeline.config.stream} · {manifest.name}"
        if not manifest.trained:
            title += " · UNTRAINED: the scores mean nothing"
        return Panel(Group(self._scores(), Text(), self._signals(), self._figures()), title=title, width=78)

    def _scores(self) -> RenderableType:
        event = self._event
        table = Table.grid(padding=(0, 1))
        for label in self._pipeline.bundle.manifest.labels:
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
        event, levels = self._event, self._pipeline.meters.levels
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
            text.append(f"\n {describe_scene(levels, self._pipeline.status.states)}", style="yellow")
        return text

    def _figures(self) -> Text:
        meters = self._pipeline.meters
        latency = self._pipeline.publisher.latency_quantiles()
        dropped = meters.dropped()
        level = meters.levels.audio_dbfs
        lag = f"{latency.p50:.0f} ms (p99 {latency.p99:.0f})" if latency else "-"
        return Text(
            f" {meters.frames.per_second():.1f} frames/s  {meters.segments.per_second():.1f} segments/s  "
            f"audio {meters.audio_s.per_second():.0%} {'' if level is None else f'{level:.0f} dB'}  latency {lag}\n"
            f" dropped: {dropped.segments} segments, {dropped.frames} frames, {dropped.audio_ms:.0f} ms of audio",
            style="dim",
        )
