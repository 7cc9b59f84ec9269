"""The picture of a latency report: each event over time, their histogram, and the stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.latency_report import LATENCY_STAGES, LatencyReport
from benchmarks.pictures import new_picture, save_picture
from benchmarks.tables import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

# Okabe and Ito's colours, which the colour-blind tell apart.
_KINDS = {
    (True, True): ("face and voice", "#0072B2"),
    (False, True): ("face only", "#E69F00"),
    (True, False): ("voice only", "#009E73"),
    (False, False): ("neither", "#888888"),
}
_STAGE_COLOURS = {
    "wait": "#56B4E9",
    "queue": "#CC79A7",
    "inference": "#0072B2",
    "rest": "#999999",
    "publish": "#D55E00",
}
_PER_ITEM = {"vision": "vision, a frame", "audio": "audio, a block", "segment": "cut, a segment"}


def plot(report: LatencyReport, file: Path) -> None:
    """Draw a report into a PNG file.

    Raises:
        ConfigError: matplotlib is missing.
        PublishError: the file can't be written.
    """
    picture = new_picture(11, 7)
    rows = picture.add_gridspec(2, 1, height_ratios=(2, 1))
    upper = rows[0].subgridspec(1, 2, width_ratios=(3.5, 1))
    lower = rows[1].subgridspec(1, 2, width_ratios=(2.2, 1))
    over_time = picture.add_subplot(upper[0])
    _draw_events(over_time, report)
    _draw_histogram(picture.add_subplot(upper[1], sharey=over_time), report)
    _draw_stages(picture.add_subplot(lower[0]), report)
    _draw_items(picture.add_subplot(lower[1]), report)
    engine = report.engine
    picture.suptitle(
        f"Latency of {report.bundle['name']} on {engine['name']} {engine['precision']}: "
        f"{report.machine.processor}, {report.machine.cores} cores, {report.date}",
        fontsize=11,
    )
    save_picture(picture, file)


def _draw_events(axes: Axes, report: LatencyReport) -> None:
    for (audio, video), (label, colour) in _KINDS.items():
        points = [(t, y) for t, y, _, a, v in report.series if (a, v) == (audio, video) and y is not None]
        if points:
            axes.plot(*zip(*points, strict=True), "o", color=colour, markersize=3.5, label=f"{label} ({len(points)})")
    highest = max((y for _, y, *_ in report.series if y is not None), default=1.0)
    axes.set_ylim(0.0, 1.15 * highest)  # the legends lie above all points
    axes.set_xlabel("end of the segment, s")
    axes.set_ylabel("capture to event, ms")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize=8, ncols=4)


def _draw_histogram(axes: Axes, report: LatencyReport) -> None:
    latencies = [y for _, y, *_ in report.series if y is not None]
    axes.hist(latencies, bins=40, orientation="horizontal", color="#56B4E9")
    everything = report.latency_ms["all"]
    if everything is not None:
        quantiles = {"p50": everything.p50, "p95": everything.p95, "p99": everything.p99}
        for (name, value), style in zip(quantiles.items(), ("-", "--", ":"), strict=True):
            axes.axhline(value, color="black", linestyle=style, linewidth=1, label=f"{name} {figure(value)} ms")
        axes.legend(loc="upper right", fontsize=8)
    axes.locator_params(axis="x", nbins=5, integer=True)
    axes.set_xlabel("events")
    axes.tick_params(labelleft=False)
    axes.grid(alpha=0.3)


def _draw_stages(axes: Axes, report: LatencyReport) -> None:
    """One bar: the stages of the mean latency, one after the other."""
    values = {stage: report.stages_ms.get(stage, 0.0) for stage in LATENCY_STAGES}
    values["rest"] = max(0.0, report.rest_ms)
    left = 0.0
    for stage, colour in _STAGE_COLOURS.items():
        axes.barh([0], [values[stage]], left=left, color=colour, label=f"{stage} {figure(values[stage])} ms")
        left += values[stage]
    axes.set_ylim(-0.8, 1.4)
    axes.set_yticks([])
    axes.set_xlabel("stages of the mean latency, ms")
    axes.legend(loc="upper center", fontsize=8, ncols=5, handlelength=1.0, columnspacing=1.0)
    axes.grid(axis="x", alpha=0.3)


def _draw_items(axes: Axes, report: LatencyReport) -> None:
    """What the front end costs beside it, for one item of each kind."""
    names = [stage for stage in _PER_ITEM if stage in report.stages_ms]
    bars = axes.barh([_PER_ITEM[name] for name in names], [report.stages_ms[name] for name in names], color="#009E73")
    axes.bar_label(bars, [figure(report.stages_ms[name]) for name in names], padding=3, fontsize=8)
    axes.margins(x=0.2)
    axes.invert_yaxis()
    axes.set_xlabel("front end, ms")
    axes.grid(axis="x", alpha=0.3)
