"""The picture of a capacity report: latency, processor and memory over the number of streams."""

from __future__ import annotations

from pathlib import Path

from benchmarks.capacity_report import CapacityReport
from benchmarks.pictures import new_picture, save_picture

__all__ = ["plot"]


def plot(report: CapacityReport, file: Path) -> None:
    """Draw a report into a PNG file.

    Raises:
        ConfigError: matplotlib is missing.
        PublishError: the file can't be written.
    """
    picture = new_picture(11, 3.6)
    latency, processor, memory = picture.subplots(1, 3)
    measured = [trial for trial in report.trials if trial.latency_ms]
    streams = [trial.streams for trial in measured]
    for name, colour in (("p50", "#0072B2"), ("p99", "#D55E00")):
        values = [getattr(trial.latency_ms, name) for trial in measured]
        latency.plot(streams, values, "o-", color=colour, label=name, markersize=4)
    latency.set(ylabel="capture to event, ms", ylim=(0, None))
    latency.legend()
    processor.plot(streams, [trial.cpu_percent for trial in measured], "o-", color="#009E73", markersize=4)
    processor.set(ylabel="% of one core, all streams", ylim=(0, None))
    memory.plot(streams, [trial.memory_mb for trial in measured], "o-", color="#CC79A7", markersize=4)
    memory.set(ylabel="resident memory, all streams, MB", ylim=(0, None))
    for axes in (latency, processor, memory):
        axes.set_xlabel("live streams")
        axes.grid(alpha=0.3)
        axes.locator_params(axis="x", integer=True)
        if report.streams:
            axes.axvline(report.streams, color="black", linestyle=":", linewidth=1)
    picture.suptitle(f"{report.bundle['preset']} on {report.engine.get('name', '-')}, {report.date}", fontsize=11)
    save_picture(picture, file)
