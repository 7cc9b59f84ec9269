"""What emostream says of real clips, and how often it changes its mind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from emostream.engines.errors import EmostreamError

__all__ = ["ClipCalm", "changes_a_minute", "clip_calm"]

_LIMIT_S = 300


@dataclass(frozen=True)
class ClipCalm:
    """The labels of one clip.

    Attributes:
        clip: name of its file.
        seconds: of the stream.
        events: segments.
        labelled: those with a face or a voice.
        labels: how often each label was published, most often first.
        last_half: the same, of the clip's last half.
        with_face: the same, of the segments with a face.
        changes_per_minute: how often the published label changed, that of an utterance or of the last 3 s.
        segment_changes_per_minute: how often the label of single segments changed.
    """

    clip: str
    seconds: float
    events: int
    labelled: int
    labels: dict[str, int]
    last_half: dict[str, int]
    with_face: dict[str, int]
    changes_per_minute: float
    segment_changes_per_minute: float


def clip_calm(clip: Path, bundle: Path) -> ClipCalm:
    """Run emostream over a clip as fast as it can and look at its events.

    Raises:
        EmostreamError: emostream failed, or took too long.
    """
    command = [sys.executable, "-m", "emostream", "--input", str(clip), "--bundle", str(bundle), "--fast"]
    command += ["--output", "-", "--publish", "tcp://127.0.0.1:*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise EmostreamError(f"emostream took more than {_LIMIT_S} s for {clip.name}; give shorter clips") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EmostreamError(f"emostream failed on {clip.name}: {reason}")
    events = [event for line in done.stdout.splitlines() if (event := json.loads(line))["type"] == "emotion"]
    end = max((event["media_time"] for event in events), default=0.0)
    late = [event for event in events if event["media_time"] > end / 2]
    seen = [event for event in events if event["modalities"]["video"]]
    pooled = [event["label"] for event in events]
    single = [event["segment"] and event["segment"]["label"] for event in events]
    return ClipCalm(
        clip=clip.name,
        seconds=round(end, 1),
        events=len(events),
        labelled=sum(label is not None for label in pooled),
        labels=_counted(events),
        last_half=_counted(late),
        with_face=_counted(seen),
        changes_per_minute=changes_a_minute(pooled, end),
        segment_changes_per_minute=changes_a_minute(single, end),
    )


def _counted(events: Sequence[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(event["label"] for event in events if event["label"] is not None).most_common())


def changes_a_minute(labels: Sequence[str | None], seconds: float) -> float:
    """Changes from one label to another a minute; segments without one are passed over."""
    there = [label for label in labels if label is not None]
    changes = sum(one != other for one, other in pairwise(there))
    return round(60 * changes / seconds, 1) if seconds else 0.0
