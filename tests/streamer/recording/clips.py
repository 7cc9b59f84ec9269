"""Clips for the tests of recordings, reports and annotations, and what is read back of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.settings import SAMPLE_RATE


def acted(path: Path, size: tuple[int, int] = (320, 240)) -> Path:
    """Five seconds of the drawn person: silent, joyful, and out of the picture."""
    from emostream.trainer.actors.clip import Line, write_clip

    script = (
        Line("neutral", 1.0, speaking=False),
        Line("joy", 2.2, clear=True),
        Line("neutral", 1.0, speaking=False, face=False),
        Line("neutral", 0.8, speaking=False),
    )
    write_clip(path, actor=1, script=script, size=size)
    return path


def events_in(file: Path) -> list[dict[str, Any]]:
    """Every line of a file of events."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def the_one(parent: Path) -> Path:
    """The one folder inside another."""
    (folder,) = parent.iterdir()
    return folder


def sound_of(file: Path) -> tuple[float, np.ndarray]:
    """When the sound of a file begins, in seconds, and all samples of it at 16 kHz, gaps as zeros."""
    with AudioTrack(str(file)) as track:
        blocks = list(track)
    start = blocks[0].t
    samples = np.zeros(round((blocks[-1].end - start) * SAMPLE_RATE) + 1, np.float32)
    for block in blocks:
        first = round((block.t - start) * SAMPLE_RATE)
        samples[first : first + block.samples.size] = block.samples[: samples.size - first]
    return start, samples


def pictures_of(file: Path) -> list[tuple[float, np.ndarray]]:
    """Time in seconds and picture of every frame."""
    with VideoTrack(str(file)) as track:
        return [(frame.t, frame.image) for frame in track]
