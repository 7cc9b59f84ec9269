"""Where something is missing: the face, the voice, a source, or events."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from emostream.streamer.recorded.cells import SHIFT_SECONDS, cell
from emostream.streamer.review.columns import REASONS, TakeColumns

__all__ = ["Gap", "Gaps", "find_gaps"]

_SHORTEST_S = 1.0  # a shorter one is counted, not listed
_LISTED = 50


@dataclass(frozen=True)
class Gap:
    """A stretch of the stream without something; its numbers are seconds."""

    what: str
    start: float
    length: float
    note: str = ""


@dataclass(frozen=True)
class Gaps:
    """All of a take.

    Attributes:
        totals: by what is missing: how often, and for how many seconds altogether.
        listed: the longest ones, in order of time.
        left_out: how many are not listed.
    """

    totals: dict[str, tuple[int, float]]
    listed: list[Gap]
    left_out: int


def find_gaps(take: TakeColumns) -> Gaps:
    """The gaps of a take."""
    found: list[Gap] = []
    starts = take.ends + cell(0.0)[0]
    for what, codes in (("face", take.face_reasons), ("voice", take.voice_reasons)):
        source = "camera" if what == "face" else "microphone"
        for code, name in (
            (REASONS.index(f"no_{what}"), f"no {what}"),
            (REASONS.index("source_lost"), f"{source} lost"),
        ):
            found += [Gap(name, start, length) for start, length in _runs(starts, codes == code)]
    found += [Gap("events missing", max(0.0, t), 0.0, f"{count} numbers") for t, count in take.missing]
    totals: dict[str, tuple[int, float]] = {}
    for gap in found:
        times, seconds = totals.get(gap.what, (0, 0.0))
        totals[gap.what] = times + 1, seconds + gap.length
    long = [gap for gap in found if gap.length >= _SHORTEST_S or gap.note]
    longest = sorted(long, key=lambda gap: (not gap.note, -gap.length))[:_LISTED]
    return Gaps(totals, sorted(longest, key=lambda gap: gap.start), len(found) - len(longest))


def _runs(starts: npt.NDArray[np.float64], there: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Start and length of each stretch of neighbouring segments, in seconds."""
    if not there.any():
        return []
    apart = np.diff(starts) > 1.5 * SHIFT_SECONDS
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    runs = []
    for first, stop in edges.reshape(-1, 2):
        inner = [first, *(first + 1 + np.flatnonzero(apart[first : stop - 1])), stop]
        for begin, end in pairwise(inner):
            start = float(starts[begin])
            runs.append((max(0.0, start), float(starts[end - 1]) + SHIFT_SECONDS - max(0.0, start)))
    return runs
