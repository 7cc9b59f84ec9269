from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from emostream.streamer.pipeline.meters import Levels, Meters
from emostream.streamer.protocol.events import Dropped, EmotionEvent, Modalities, Reasons
from emostream.streamer.terminal import console
from emostream.streamer.terminal.console import Console, describe_scene

RUNNING = {"audio": "running", "video": "running"}


def levels(*, brightness=100.0, face=False, loudness=0.1) -> Levels:
    found = Levels(brightness=brightness, face=face)
    if loudness is not None:
        found.hear(np.full(1600, loudness, np.float32))
    return found


@pytest.mark.parametrize(
    ("seen", "states", "words"),
    [
        (levels(), RUNNING, ["no face in the picture", "sound but no speech (-20 dB"]),
        (levels(brightness=5.0), RUNNING, ["too dark (brightness 5 of 255)"]),
        (levels(loudness=0.001), RUNNING, ["silence (-60 dB"]),
        (levels(loudness=0.0), RUNNING, ["muted (digital silence)"]),
        (levels(brightness=None, loudness=None), RUNNING, ["no picture (is another", "no sound (is another"]),
        (levels(), {"audio": "off", "video": "lost"}, ["the camera has been lost", "no microphone"]),
        (levels(), {"audio": "ended", "video": "off"}, ["the microphone has ended", "no camera"]),
    ],
)
def test_the_scene_in_words(seen, states, words):
    text = describe_scene(seen, states)
    for word in words:
        assert word in text


def test_levels_forget_what_is_over():
    found = levels(loudness=1.0)
    for _ in range(40):
        found.hear(np.zeros(1600, np.float32))
    assert found.audio_dbfs == pytest.approx(-200.0)
    assert Levels().audio_dbfs is None


@dataclass
class Watched:
    name: str = "desk"
    meters: Meters = field(default_factory=Meters)
    states: dict[str, str] = field(default_factory=lambda: dict(RUNNING))


def event(label: str | None, stream: str = "desk") -> EmotionEvent:
    return EmotionEvent(
        stream=stream,
        t_start=0.0, t_end=1.0, media_time=0.655, label=label, scores={"joy": 0.8, "fear": 0.2} if label else None,
        head="video" if label else None, segment=None, utterance=None, modalities=Modalities(audio=False, video=True),
        reason=Reasons(), face=None, frame_size=None, dropped=Dropped(),
    )  # fmt: skip


def test_a_line_when_the_label_changes():
    lines: list[str] = []
    spoken = Console([Watched()], lines.append, trained=True)
    for label in ("joy", "joy", "fear", None, "fear"):
        spoken.on_event(event(label))
    assert [line.split("  ", 1)[1] for line in lines] == [
        "emotion: joy  80%  from video",
        "emotion: fear  20%  from video",
    ]


def test_one_line_after_five_seconds_without_anyone(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    lines: list[str] = []
    spoken = Console([Watched()], lines.append, trained=False)
    for now[0] in (1.0, 4.9, 5.1, 6.0, 20.0):
        spoken.on_tick()
    assert len(lines) == 1
    assert lines[0].startswith("neither face nor voice: the camera gives no picture")
    spoken.on_event(event("joy"))
    assert "class (untrained): joy" in lines[1]
    for now[0] in (24.0, 26.0):
        spoken.on_tick()
    assert len(lines) == 3


def test_several_streams_are_named():
    lines: list[str] = []
    spoken = Console([Watched("desk"), Watched("door")], lines.append, trained=True)
    for stream, label in (("desk", "joy"), ("door", "joy"), ("desk", "joy"), ("door", "fear")):
        spoken.on_event(event(label, stream))
    assert [line.split("  ")[1:3] for line in lines] == [
        ["desk", "emotion: joy"],
        ["door", "emotion: joy"],
        ["door", "emotion: fear"],
    ]
