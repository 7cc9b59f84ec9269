"""What a soak found: the verdict, as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.machine import Measured
from benchmarks.soak.faults import Fault
from benchmarks.soak.usage import Usage
from benchmarks.tables import Summary, figure, markdown_table, page

__all__ = ["LARGEST_GROWTH", "Delivery", "Growth", "SoakReport", "delivery_of", "growth_of", "markdown"]

LARGEST_GROWTH = 1.05  # of memory, from the fifth minute, or the first sixth, to the end
_WINDOW_S = 20.0  # whose median stands for a moment


@dataclass(frozen=True)
class Delivery:
    """Whether the events of one session came, exactly once and in order.

    Attributes:
        stream: its name.
        session: UUID.
        received: events that came.
        lost: that were published, by their numbers or by the output file, and did not come.
        doubled: that came more than once.
        disordered: that came after a later one.
    """

    stream: str
    session: str
    received: int
    lost: int
    doubled: int
    disordered: int

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.disordered)


@dataclass(frozen=True)
class Growth:
    """A figure of the process early and at the end; medians of 20 s."""

    what: str
    early: float
    late: float
    most: float

    @property
    def ratio(self) -> float:
        """Late by early."""
        return self.late / self.early if self.early else 1.0


@dataclass(frozen=True)
class SoakReport(Measured):
    """What a soak found.

    Attributes:
        minutes: how long it ran.
        faults: that were injected.
        deliveries: by session.
        growths: memory, threads, files, children.
        before_ms: latencies before the first fault.
        during_ms: latencies while faults were injected.
        after_ms: latencies after the last fault.
        exit_code: of emostream, when it was asked to end.
        ended_s: how long that took.
        problems: what does not hold.
        usage: samples for the plot.
        latencies: moment and latency for the plot.
    """

    minutes: float
    faults: list[Fault]
    deliveries: list[Delivery]
    growths: list[Growth]
    before_ms: Summary | None
    during_ms: Summary | None
    after_ms: Summary | None
    exit_code: int
    ended_s: float
    problems: list[str]
    usage: list[Usage]
    latencies: list[tuple[float, float]]


def delivery_of(published: Sequence[tuple[str, str, int]], received: Sequence[tuple[str, str, int]]) -> list[Delivery]:
    """Compare what was published with what came; each is stream, session and number.

    Args:
        published: as the output file has it.
        received: in the order of its coming.
    """
    found = []
    for stream, session in sorted({key[:2] for key in (*published, *received)}):
        came = [seq for *key, seq in received if key == [stream, session]]
        sent = {seq for *key, seq in published if key == [stream, session]}
        sent |= set(range(max(sent | set(came)) + 1))
        found.append(
            Delivery(
                stream,
                session,
                received=len(came),
                lost=len(sent - set(came)),
                doubled=len(came) - len(set(came)),
                disordered=sum(b <= a for a, b in pairwise(came)),
            )
        )
    return found


def growth_of(usage: Sequence[Usage], early_at: float, late_at: float) -> list[Growth]:
    """Memory, threads, open files and children about two moments, monotonic times in seconds."""
    growths = []
    for what in ("memory_mb", "threads", "files", "children"):
        values = [(sample.at, float(getattr(sample, what))) for sample in usage]
        early, late = (
            Summary.of(value for at, value in values if moment - _WINDOW_S <= at <= moment)
            for moment in (early_at, late_at)
        )
        if early is not None and late is not None:
            growths.append(Growth(what, early.p50, late.p50, max(value for _, value in values)))
    return growths


def markdown(report: SoakReport, name: str) -> str:
    """The report as text; `name` is that of the plot's file."""
    kinds = Counter((fault.what, fault.how) for fault in report.faults)
    verdict = "Everything held." if not report.problems else "Did not hold: " + "; ".join(report.problems) + "."
    latencies = (("before the first fault", report.before_ms), ("meanwhile", report.during_ms))
    parts = [
        *report.head(
            f"{report.minutes:g} minutes with {len(report.faults)} faults",
            lead=f"**{verdict}**",
            picture=f"![latency, memory, threads and open files over time]({name}.png)",
        ),
        "Two streams in one process, with the starter: a camera (Motion JPEG over HTTP), and a stream with picture and "
        "sound (MPEG-TS over HTTP). Their server misbehaves, the engine throws exceptions, and the subscriber is "
        "closed in the middle and opened again with its cursors.",
        markdown_table(("what failed", "how", "times"), [(*kind, str(count)) for kind, count in sorted(kinds.items())]),
        "Every event of a session, exactly once and in order, at the subscriber; what was published is known from "
        "`--output`:",
        markdown_table(
            ("stream", "events", "lost", "doubled", "out of order"),
            [
                (each.stream, *map(str, (each.received, each.lost, each.doubled, each.disordered)))
                for each in report.deliveries
            ],
        ),
        markdown_table(
            ("of the process", "early", "at the end", "ratio", "most"),
            [
                (each.what.replace("_mb", ", MB"), *map(figure, (each.early, each.late, each.ratio, each.most)))
                for each in report.growths
            ],
        ),
        markdown_table(
            ("latency, ms", "events", "p50", "p99", "max"),
            [
                (label, str(part.count), figure(part.p50), figure(part.p99), figure(part.max))
                for label, part in (*latencies, ("after the last one", report.after_ms))
                if part is not None
            ],
        ),
        f"Asked to end, it did so in {report.ended_s:.1f} s, with exit code {report.exit_code}.",
    ]
    return page(parts)
