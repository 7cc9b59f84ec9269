"""What an utterance keeps: which segments go into which pool, and whose scores are published."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from emostream.engines.frontend.grid import SEGMENT_SECONDS, SHIFT_SECONDS, seconds, segment_start
from emostream.engines.frontend.voice import CHUNK_SAMPLES, VOICED_SAMPLES
from emostream.engines.heads import HEAD_NAMES, HeadName
from emostream.engines.pooling import Features, Pools
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline.event_builder import UtteranceTracker

__all__ = ["draw_pools"]

_SECONDS = 6.0
_SPEECH = ((0.7, 1.9), (2.4, 3.4))  # the pause between is shorter than 0.8 s
_FACE = ((0.0, 1.9), (3.0, _SECONDS))
_COLOURS: dict[str | None, str] = {"audio": "C0", "video": "C1", "fused": "C2", None: "0.85"}
_ONE = np.ones(1, np.float32)


def draw_pools() -> Figure:
    """An utterance with a pause in it and a face that is lost for a while, by the code that pools a stream."""
    chunk_s = CHUNK_SAMPLES / SAMPLE_RATE
    spoken = [_within(_SPEECH, n * chunk_s) for n in range(int(_SECONDS / chunk_s))]
    tracker = UtteranceTracker()
    ended = [(tracker.current, n) for n, speech in enumerate(spoken) if tracker.advance(n, (speech,))]
    assert len(ended) == 1
    last = max(n for n, speech in enumerate(spoken) if speech)
    begin, end, known = spoken.index(True) * chunk_s, (last + 1) * chunk_s, (ended[0][1] + 1) * chunk_s

    figure, axes = plt.subplots(figsize=(8.4, 3.8), layout="constrained")
    _bars(axes, 6, _SPEECH, "speech", "0.35")
    _bars(axes, 5, _FACE, "face", "0.35")
    axes.axvspan(begin, end, color="C0", alpha=0.10, lw=0)
    axes.text((begin + end) / 2, 6.75, "the utterance", ha="center", va="center", color="C0")
    axes.annotate("", (known, 6.25), (end, 6.25), arrowprops={"arrowstyle": "<->", "lw": 1.0})
    axes.text((known + end) / 2, 6.55, "0.8 s without speech end it", ha="center", va="center", fontsize=8)
    pools = Pools()
    for number in range(int((_SECONDS - SEGMENT_SECONDS) / SHIFT_SECONDS) + 1):
        start = seconds(segment_start(number))
        _segment(axes, start, spoken, pools if begin < start + SEGMENT_SECONDS <= known else None)
    for row, name in enumerate(HEAD_NAMES):
        axes.text(-0.15, 3.4 - row, f"pool {name}", ha="right", va="center", color=_COLOURS[name])
        axes.text(_SECONDS + 0.1, 3.4 - row, f"mean of {pools.count(name)}", va="center", color=_COLOURS[name])
    axes.text(-0.15, 0.4, "scores of", ha="right", va="center")
    axes.set(
        xlim=(-0.05, _SECONDS),
        ylim=(-0.1, 7.1),
        yticks=[],
        xlabel="seconds of the stream; a segment is drawn at its end",
    )
    for each in ("left", "right", "top"):
        axes.spines[each].set_visible(False)
    return figure


def _segment(axes: Axes, start: float, spoken: list[bool], pools: Pools | None) -> None:
    """Put a segment into the pools of the utterance, if there is one, and draw where it went."""
    end = start + SEGMENT_SECONDS
    chunks = [speech for n, speech in enumerate(spoken) if start <= n * CHUNK_SAMPLES / SAMPLE_RATE < end]
    voice = sum(chunks) * CHUNK_SAMPLES >= VOICED_SAMPLES
    ticks = [_within(_FACE, start + n / 30) for n in range(20)]
    face = 2 * sum(ticks) >= len(ticks)
    features = Features(_ONE if voice else None, _ONE if face else None, _ONE if voice and face else None)
    head: HeadName | None = "video" if face else None  # outside utterances the face speaks alone
    if pools is not None:
        pools.add(features)
        head = pools.head if features.head else None
        for row, name in enumerate(HEAD_NAMES):
            if features.get(name) is not None:
                _box(axes, end, 3 - row, _COLOURS[name])
    _box(axes, end, 0, _COLOURS[head])
    axes.text(
        end, 0.4, {"audio": "a", "video": "v", "fused": "f", None: "-"}[head], ha="center", va="center", fontsize=7
    )


def _box(axes: Axes, x: float, y: float, colour: str) -> None:
    axes.add_patch(Rectangle((x - 0.12, y + 0.1), 0.24, 0.6, color=colour, alpha=0.8, lw=0))


def _bars(axes: Axes, y: float, spans: tuple[tuple[float, float], ...], name: str, colour: str) -> None:
    axes.text(-0.15, y + 0.3, name, ha="right", va="center")
    for start, end in spans:
        axes.add_patch(Rectangle((start, y + 0.15), end - start, 0.3, color=colour, lw=0))


def _within(spans: tuple[tuple[float, float], ...], t: float) -> bool:
    return any(start <= t < end for start, end in spans)
