"""Running emostream in tests: in this process, and as the command it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

COMMAND = [sys.executable, "-m", "emostream"]


def run(*options: object, timeout: float = 60.0, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, on a free port."""
    arguments = [str(option) for option in options]
    if "--publish" not in arguments and (not arguments or arguments[0].startswith("-")):
        arguments += ["--publish", "tcp://127.0.0.1:*"]
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, env=env, check=False)


def events_of(*options: object, timeout: float = 60.0) -> list[dict[str, Any]]:
    """The events that a run prints; it must end well."""
    done = run(*options, "--output", "-", timeout=timeout)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    return events


def emotions(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of segments."""
    return [event for event in events if event["type"] == "emotion"]


def deterministic(event: dict[str, Any]) -> dict[str, Any]:
    """What of an event may not depend on when or how fast it was made."""
    kept = {
        key: event[key]
        for key in ("label", "scores", "head", "segment", "modalities", "reason", "face", "frame_size", "media_time")
    }
    utterance = event["utterance"]
    return kept | {"utterance": utterance and (utterance["id"], utterance["pools"])}


def one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal; there may be nothing else."""
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    errors = [line for line in done.stderr.splitlines() if line.startswith("emostream: error: ")]
    others = [line for line in done.stderr.splitlines() if not line.startswith("emostream: ")]
    assert len(errors) == 1, done.stderr
    assert not others, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


def demo_clip(folder: Path, seconds: float | None = None, *, repeat: int = 1) -> Path:
    """The synthetic actor's clip of 11.8 s, or as many seconds of joy."""
    from emostream.trainer.actors.clip import DEMO_SCRIPT, Line, write_clip

    script = DEMO_SCRIPT * repeat if seconds is None else (Line("joy", seconds),)
    file = folder / "demo.mp4"
    write_clip(file, actor=1, script=script)
    return file


def portrait() -> np.ndarray:
    """One frame of the synthetic actor."""
    from emostream.trainer.actors.clip import Line, frames

    return next(iter(frames((Line("joy", 1.0),), actor=3)))[1]
