"""The picture of the GPU benchmark: time over batch size, for each network."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu.report import GpuReport, title_of
from benchmarks.pictures import new_picture, save_picture

__all__ = ["plot"]

# Okabe and Ito's colours, which the colour-blind tell apart.
_COLOURS = ("#999999", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#0072B2", "#D55E00")


def plot(report: GpuReport, file: Path) -> None:
    """Draw a report into a PNG file.

    Raises:
        ConfigError: matplotlib is missing.
        PublishError: the file can't be written.
    """
    picture = new_picture(11, 8)
    places = picture.subplots(2, 2, squeeze=False).flat
    ways = dict(zip(dict.fromkeys(row.way for row in report.rows), _COLOURS, strict=False))
    for axes, network in zip(places, report.work, strict=False):
        for way, colour in ways.items():
            own = [row for row in report.rows if (row.way, row.network) == (way, network) and row.median_ms]
            if own:
                times = [row.median_ms or 0.0 for row in own]
                axes.plot([row.batch for row in own], times, "o-", color=colour, label=title_of(way), markersize=4)
        floors = [report.floor_ms(network, batch) for batch in report.batches]
        axes.plot(report.batches, floors, "k--", label="floor")
        axes.set(title=network, xlabel="segments at once", ylabel="ms, median", xscale="log", yscale="log")
        axes.set_xticks(report.batches, [str(batch) for batch in report.batches])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    handles, labels = picture.axes[-1].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    picture.suptitle(f"{report.preset} on {report.device.name}, {report.date}", fontsize=11)
    save_picture(picture, file)
