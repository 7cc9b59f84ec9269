"""How sound is cut: windows of 64 frames of log-Mel, each 30 frames after the one before."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from emostream.engines.frontend.grid import segment_count, segment_end, segment_start
from emostream.engines.frontend.logmel import log_mel
from emostream.engines.settings import MEL_BANDS, MEL_FRAMES, MEL_HOP, MEL_SHIFT, MEL_WINDOW, SAMPLE_RATE
from emostream.trainer.actors.clip import Line, samples

__all__ = ["draw_windows"]

_SECONDS = 2.2
_SEGMENTS = 5


def draw_windows() -> Figure:
    """The log-Mel energies of an invented voice, with the segments that are cut from them."""
    mel = _log_mel(samples((Line("joy", _SECONDS, clear=True),), actor=1))
    figure, (sound, cuts) = plt.subplots(
        2, 1, figsize=(8.4, 3.9), sharex=True, height_ratios=(2, 1.3), layout="constrained"
    )
    hop = MEL_HOP / SAMPLE_RATE
    sound.imshow(mel, origin="lower", aspect="auto", extent=(0, mel.shape[1] * hop, 0, mel.shape[0]), cmap="magma")
    sound.set(ylabel="mel band")
    sound.set_title("a frame is 25 ms of sound, and one begins every 10 ms", loc="left", fontsize=9)
    length = (MEL_HOP * (MEL_FRAMES - 1) + MEL_WINDOW) / SAMPLE_RATE
    for number in range(_SEGMENTS):
        start = number * MEL_SHIFT * hop
        colour = f"C{number}"
        cuts.add_patch(Rectangle((start, _SEGMENTS - 1 - number), length, 0.8, color=colour, alpha=0.35, lw=0))
        told = f"segment {number}: {MEL_FRAMES} frames, {1000 * length:.0f} ms"
        cuts.text(start + length / 2, _SEGMENTS - 0.6 - number, told, ha="center", va="center")
        sound.axvline(start, color="white", lw=0.8, ls=":")
    cuts.annotate(
        "", (MEL_SHIFT * hop, _SEGMENTS + 0.3), (0, _SEGMENTS + 0.3), arrowprops={"arrowstyle": "<->", "lw": 1.0}
    )
    cuts.text(
        MEL_SHIFT * hop + 0.02, _SEGMENTS + 0.3, f"{MEL_SHIFT} frames, {1000 * MEL_SHIFT * hop:.0f} ms", va="center"
    )
    cuts.set(xlim=(0, _SECONDS), ylim=(-0.1, _SEGMENTS + 0.8), yticks=[], xlabel="seconds of the stream")
    return figure


def _log_mel(voice: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Float32 [64 mel, frames] of all segments, which agree where they overlap."""
    count = segment_count(voice.size / SAMPLE_RATE)
    mel = np.zeros((MEL_BANDS, MEL_SHIFT * (count - 1) + MEL_FRAMES), np.float32)
    for k in range(count):
        mel[:, MEL_SHIFT * k : MEL_SHIFT * k + MEL_FRAMES] = log_mel(voice[segment_start(k) : segment_end(k)])
    return mel
