"""The report of the GPU benchmark: tables and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks.gpu.device import Device
from benchmarks.gpu.measure import Row
from benchmarks.gpu.networks import CHAIN, Work
from benchmarks.gpu.timing import Floors
from benchmarks.gpu.ways import WAYS
from benchmarks.tables import figure, markdown_table, page_head

__all__ = ["SEGMENTS_PER_S", "GpuReport", "csv_text", "markdown", "title_of"]

SEGMENTS_PER_S = 10 / 3
"""Of one live stream: a segment each 30 frames of 10 ms."""

_TITLES = {way.key: way.title for way in WAYS}
_HEADINGS = {"audio": "Audio network", "video": "Video network", "fusion": "Fusion network", CHAIN: "All three"}


@dataclass(frozen=True)
class GpuReport:
    """What was found, and on what.

    Attributes:
        preset: of the networks, which have random weights.
        date: of the measurement.
        command: that gave it.
        device: that it ran on.
        floors: rates of the device.
        work: of each subject.
        rows: times.
    """

    preset: str
    date: str
    command: str
    device: Device
    floors: Floors
    work: dict[str, Work]
    rows: list[Row]

    def floor_ms(self, network: str, batch: int) -> float:
        """The time of its bytes or of its operations at this GPU's measured rates, whichever is longer."""
        own = self.work[network]
        moved = (own.weight_bytes + batch * own.tensor_bytes) / self.floors.bytes_per_s
        return 1e3 * max(moved, batch * own.operations / self.floors.operations_per_s)

    @property
    def batches(self) -> list[int]:
        """Sizes that were asked for."""
        return sorted({row.batch for row in self.rows})


def title_of(way: str) -> str:
    """The name of a way in tables and plots."""
    return _TITLES.get(way, way)


def markdown(report: GpuReport) -> str:
    """A report as a page."""
    floors = report.floors
    lines = [
        *page_head(
            f"The networks of `{report.preset}` on {report.device.name}",
            report.date,
            report.command,
            report.device.rows(),
        ),
        "Random weights, random inputs that lie on the GPU (except for emostream's engine, whose inputs and embeddings "
        "lie in main memory). CUDA events around each run, the GPU idle before it; median of "
        f"{max((row.runs for row in report.rows), default=0)} runs after a warm-up, and the 99th percentile in "
        "brackets, in milliseconds.",
        f"Floors: this GPU copies {figure(floors.bytes_per_s / 1e9)} GB/s and multiplies FP16 matrices at "
        f"{figure(floors.operations_per_s / 1e12)} TFLOP/s. The floor of a network is the longer of the times for its "
        "FP16 weights and its inputs and outputs at the one rate, and for its operations at the other.",
    ]
    for network in report.work:
        lines += _network(report, network)
    reasons = _reasons(report)
    if reasons:
        lines += ["## What did not run", "\n".join(f"- {each}" for each in reasons)]
    return "\n\n".join(lines) + "\n"


def csv_text(report: GpuReport) -> str:
    """Every row, with its floor, the ratio to it, and how many live streams it serves."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["preset", *Row.__dataclass_fields__, "floor_ms", "ratio_to_floor", "segments_per_s", "streams"])
    for row in report.rows:
        floor = report.floor_ms(row.network, row.batch)
        rate = row.median_ms and 1e3 * row.batch / row.median_ms
        more = [floor, row.median_ms and row.median_ms / floor, rate, rate and rate / SEGMENTS_PER_S]
        cells = [report.preset, *asdict(row).values(), *more]
        writer.writerow([round(each, 5) if isinstance(each, float) else each for each in cells])
    return out.getvalue()


def _network(report: GpuReport, network: str) -> list[str]:
    own = report.work[network]

    def table(cell: Callable[[Row, float], str], *more: tuple[str, ...]) -> str:
        head = ("batch", *map(str, report.batches))
        return markdown_table(head, [*_cells(report, network, cell), *more])

    floors = ("floor", *(figure(report.floor_ms(network, batch)) for batch in report.batches))
    found = [
        f"## {_HEADINGS[network]}",
        f"{own.operations / 1e9:.2f} GFLOP a segment, {own.weight_bytes / 1e6:.1f} MB of weights in FP16.",
        table(lambda row, time: f"{figure(time)} ({figure(row.p99_ms)})", floors),
        "Median over floor:",
        table(lambda row, time: figure(time / report.floor_ms(network, row.batch))),
    ]
    if network == CHAIN:
        found += [
            "Segments a second, and live streams with voice and face that this is "
            f"({SEGMENTS_PER_S:.2f} segments a second each):",
            table(lambda row, time: _throughput(1e3 * row.batch / time)),
        ]
    return found


def _cells(report: GpuReport, network: str, cell: Callable[[Row, float], str]) -> list[tuple[str, ...]]:
    rows = {(row.way, row.batch): row for row in report.rows if row.network == network and row.median_ms is not None}
    ways = dict.fromkeys(way for way, _ in rows)
    return [
        (
            title_of(way),
            *(
                cell(row, row.median_ms) if (row := rows.get((way, batch))) and row.median_ms else "-"
                for batch in report.batches
            ),
        )
        for way in ways
    ]


def _throughput(rate: float) -> str:
    return f"{rate:.0f} ({rate / SEGMENTS_PER_S:.0f})"


def _reasons(report: GpuReport) -> list[str]:
    """Each reason once, with what it stopped."""
    stopped: dict[tuple[str, str], dict[str, list[int]]] = {}
    for row in report.rows:
        if row.reason:
            stopped.setdefault((row.way, row.reason), {}).setdefault(row.network, []).append(row.batch)
    return [
        f"{title_of(way)}, "
        + "; ".join(f"{network} at {', '.join(map(str, sizes))}" for network, sizes in networks.items())
        + f": {reason}"
        for (way, reason), networks in stopped.items()
    ]
