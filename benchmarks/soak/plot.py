"""The picture of a soak: latency, memory, threads and open files over time, and when something failed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.pictures import new_picture, save_picture
from benchmarks.soak.report import SoakReport

__all__ = ["plot"]

_COLOURS = {"source": "#D55E00", "subscriber": "#0072B2", "engine": "#009E73"}


def plot(report: SoakReport, file: Path) -> None:
    """Draw a report into a PNG file.

    Raises:
        ConfigError: matplotlib is missing.
        PublishError: the file can't be written.
    """
    picture = new_picture(11, 8)
    latency, memory, held = picture.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    begun = report.usage[0].at
    latency.scatter(*_minutes(report.latencies, begun), s=3, color="#444444")
    for what, colour in _COLOURS.items():
        moments = [(fault.at - begun) / 60.0 for fault in report.faults if fault.what == what]
        latency.plot(
            moments, [1.0] * len(moments), "|", color=colour, label=what, transform=latency.get_xaxis_transform()
        )
    latency.set_yscale("log")
    latency.set_ylabel("latency, ms")
    latency.legend(title="faults", loc="upper right", ncols=3, fontsize=8)
    memory.plot(*_minutes([(each.at, each.memory_mb) for each in report.usage], begun), color="#0072B2")
    memory.set_ylabel("memory, MB")
    memory.set_ylim(bottom=0.0)
    for what, colour in (("threads", "#D55E00"), ("files", "#009E73")):
        held.plot(*_minutes([(each.at, getattr(each, what)) for each in report.usage], begun), color=colour, label=what)
    held.set_ylim(bottom=0.0)
    held.legend(loc="lower right", ncols=2, fontsize=8)
    held.set_xlabel("minutes")
    picture.suptitle(
        f"{report.minutes:g} minutes, {len(report.faults)} faults: {report.machine.processor}", fontsize=11
    )
    save_picture(picture, file)


def _minutes(points: list[tuple[float, float]], begun: float) -> tuple[list[float], list[float]]:
    return [(at - begun) / 60.0 for at, _ in points], [value for _, value in points]
