"""A recording of a drawn and voiced clip, which the examples get to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from emostream.streamer.protocol.events import decode
from emostream.trainer.actors.clip import Line, write_clip
from tests.examples.broadcast import Result
from tests.streamer.running import run

SCRIPT = (
    Line("joy", 1.5, clear=True),
    Line("neutral", 1.2, speaking=False),
    Line("fear", 1.2, face=False, clear=True),
    Line("neutral", 2.2, speaking=False, face=False),
    Line("sadness", 1.5, clear=True),
)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the starter says of a clip, as JSON Lines."""
    folder = tmp_path_factory.mktemp("recording")
    clip, file = folder / "clip.mp4", folder / "events.jsonl"
    write_clip(clip, actor=1, script=SCRIPT)
    done = run("--input", clip, "--fast", "--output", file)
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="session")
def events(recording: Path) -> list[Result]:
    """Its events: with and without a label, in and outside utterances, from every head."""
    found: list[Result] = [decode(line) for line in recording.read_bytes().splitlines()]
    assert {event.head for event in found} == {"audio", "video", "fused", None}
    return found
