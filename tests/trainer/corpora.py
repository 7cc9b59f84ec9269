"""A tiny model and tiny data sets, whose segments are written as the front end would have cut them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emostream.engines.frontend.segmenter import Segment
from emostream.engines.settings import CROP_HEIGHT, CROP_WIDTH, SAMPLE_RATE, SEGMENT_SAMPLES, SHIFT_SAMPLES
from emostream.trainer.datasets.base import Recording
from emostream.trainer.fusion.pretrain import RBMRecipe
from emostream.trainer.networks.presets import AudioShape, FusionShape, Preset, VideoShape
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SegmentStore
from emostream.trainer.training.compute import Compute
from emostream.trainer.training.recipe import Recipe, Schedule
from emostream.trainer.training.stages import TrainingPlan

LABELS = ("anger", "joy", "sadness")
SUBJECTS = ("ann", "bob", "cid", "dot", "eve")

TINY = Preset(
    name="tiny",
    audio=AudioShape(
        input_size=63, channels=(4, 6, 6, 6, 4), pooled=1, hidden=12, embedding=10, batch_norm=True, dropout=0.2
    ),
    video=VideoShape(
        input_size=32, grey=True, channels=(4, 4, 6, 6, 4), hidden=12, embedding=8, batch_norm=True, dropout=0.2
    ),
    fusion=FusionShape(widths=(12, 8), third=6, scaling="minmax", dropout=0.3),
)
_SCHEDULE = Schedule(
    "adamw", rate=3e-3, batch=12, epochs=2, weight_decay=0.01, one_cycle=True, label_smoothing=0.1, augment=True
)
TINY_RECIPE = Recipe(
    name="tiny",
    audio=_SCHEDULE,
    video=_SCHEDULE,
    fusion=replace(_SCHEDULE, augment=False),
    rbm=RBMRecipe(epochs=1, batch=12),
    rbm_rates=(0.01, 0.2),
)
CPU = Compute("cpu", "32-true")

_CROPS = 4  # different ones in a segment, each for four frames of its clip


def plan(**changes: Any) -> TrainingPlan:
    """How the tiny model is trained."""
    values: dict[str, Any] = {
        "preset": TINY,
        "recipe": TINY_RECIPE,
        "audio_weights": None,
        "video_weights": None,
        "video_bgr": None,
        "which": "all",
        "seed": 3,
        "compute": CPU,
    }
    return TrainingPlan(**values | changes)


@dataclass(frozen=True, order=True)
class Turn:
    """A recording to make up.

    Attributes:
        subject: who speaks.
        label: the emotion, which decides the tone of the voice and the light in the face.
        take: numbers the recordings of a subject and label, and changes their noise.
        sound: whether there is a voice.
        face: whether there is a face.
        segments: how many.
        sounds_like: the emotion that is heard and seen; the label if None.
    """

    subject: str
    label: str
    take: int = 1
    sound: bool = True
    face: bool = True
    segments: int = 3
    sounds_like: str | None = None

    @property
    def name(self) -> str:
        return f"{self.subject}/{self.label}-{self.take}.mp4"


def turns(subjects: Iterable[str] = SUBJECTS[:4], takes: int = 2) -> list[Turn]:
    """As many takes of every emotion by every subject."""
    return [Turn(subject, label, take) for subject in subjects for label in LABELS for take in range(1, takes + 1)]


def write_corpus(folder: Path, what: Iterable[Turn], labels: tuple[str, ...] = LABELS) -> Corpus:
    """Write the segments of recordings, unless they are there, and give the corpus of them."""
    store = SegmentStore(folder, "made up")
    keys = {}
    for turn in what:
        keys[turn] = f"{zlib.crc32(repr(turn).encode()):08x}"
        if store.load(keys[turn]) is None:
            store.write(keys[turn], _cut(turn), lambda seconds=0.355 + 0.3 * turn.segments: seconds)
    ordered = sorted(keys, key=lambda turn: turn.name)
    recordings = (Recording(turn.name, turn.subject, turn.label, Path(turn.name)) for turn in ordered)
    return Corpus("made-up", labels, tuple(recordings), tuple(keys[turn] for turn in ordered), store)


def _cut(turn: Turn) -> Iterator[Segment]:
    rng = np.random.default_rng(zlib.crc32(repr(turn).encode()))
    emotion = LABELS.index(turn.sounds_like or turn.label)
    t = np.arange(SEGMENT_SAMPLES + (turn.segments - 1) * SHIFT_SAMPLES) / SAMPLE_RATE
    pitch = 150 * 2.5**emotion * rng.uniform(0.9, 1.1)
    samples = (0.1 * np.sin(2 * np.pi * pitch * t) + 0.01 * rng.standard_normal(t.size)).astype(np.float32)
    light = 60 + 60 * emotion + rng.uniform(-10, 10)
    crops = rng.integers(0, 40, (turn.segments * _CROPS, CROP_HEIGHT, CROP_WIDTH, 3), np.uint8) + np.uint8(light)
    crops[:, : 30 + 20 * emotion] //= 2
    for index in range(turn.segments):
        ticks = tuple(np.repeat(np.arange(index * _CROPS, (index + 1) * _CROPS), 16 // _CROPS).tolist())
        own = samples[index * SHIFT_SAMPLES :][:SEGMENT_SAMPLES]
        yield Segment(
            index=index,
            samples=own if turn.sound else None,
            mel=np.zeros((3, 64, 64), np.float32) if turn.sound else None,
            clip=crops[list(ticks)] if turn.face else None,
            ticks=ticks if turn.face else (),
            audio_reason=None if turn.sound else "off",
            video_reason=None if turn.face else "no_face",
            speech_first=0,
            speech=(),
            box=None,
            frame_size=None,
        )
