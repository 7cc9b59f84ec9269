"""Whole data sets of invented people, in the layouts of the paper's three and as a folder with a table.

They check the plumbing of the trainer with a known answer, for voice alone and face alone confuse certain emotions
(`emostream.trainer.actors.clip`), and nothing more: nobody feels anything here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.files import replace_file, replacing, unfinished_files
from emostream.trainer.actors.clip import Line, write_clip
from emostream.trainer.actors.layouts import LAYOUTS, DataSetPlan, Turn
from emostream.trainer.processes import each_in_processes

__all__ = ["write_dataset"]

_NOTE = ".emostream-actors.json"
_THUMBNAILS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # as Windows begins its files of thumbnails
_SHORTEST_S, _LONGEST_S = 1.0, 600.0
_MOST_SUBJECTS = 999  # what BAUM-1s's names have room for
_ACTORS_PER_SEED = 1 << 10


@dataclass(frozen=True)
class _Clip:
    """One file to write."""

    path: Path
    turn: Turn
    seconds: float
    size: tuple[int, int]
    seed: int


def write_dataset(
    root: Path,
    layout: str,
    *,
    subjects: int,
    takes: int,
    seconds: float,
    size: tuple[int, int],
    seed: int,
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Draw and voice a data set of the paper's six emotions; go on where an earlier call stopped.

    Equal arguments give equal bytes, on any number of processes.

    Args:
        root: the folder; made if missing.
        layout: one of `LAYOUTS`: "rml", "enterface05", "baum1s" or "csv".
        subjects: invented people, up to 999; with another seed they are others.
        takes: recordings of each person with each emotion.
        seconds: mean length of a recording, a spoken turn with a short silence before and after; 1 to 600.
        size: width and height of the pictures in pixels, both even.
        seed: of people and takes.
        jobs: processes.
        progress: called with the number of files that are done and of all files, at the start and after each.

    Returns:
        The number of recordings that the layout's reader finds, `subjects * takes * 6`.

    Raises:
        ConfigError: arguments that can't be drawn, or a folder that holds something else or was begun with other
            arguments.
        PublishError: the folder can't be written.
        TrainingError: a process was killed twice.
    """
    _check(layout, subjects, takes, seconds, size, seed, jobs)
    plan = LAYOUTS[layout](subjects, takes)
    arguments = {
        "layout": layout,
        "subjects": subjects,
        "takes": takes,
        "seconds": seconds,
        "size": list(size),
        "seed": seed,
    }
    try:
        _begin(root, arguments)
        missing = _prepare_folders(root, plan)
        _write_clips([_Clip(root / t.name, t, seconds, size, seed) for t in missing], len(plan.turns), jobs, progress)
        for name, text in plan.tables.items():
            replace_file(root / name, text.encode())
    except OSError as error:
        raise PublishError(f"can't write {error.filename or root}: {error.strerror}; choose another folder") from error
    return subjects * takes * 6


def _check(layout: str, subjects: int, takes: int, seconds: float, size: tuple[int, int], seed: int, jobs: int) -> None:
    if layout not in LAYOUTS:
        raise ConfigError(f"layout {layout!r} is unknown; choose {', '.join(LAYOUTS)}")
    if not 1 <= subjects <= _MOST_SUBJECTS:
        raise ConfigError(f"{subjects} subjects can't be drawn; give 1 to {_MOST_SUBJECTS}")
    if takes < 1:
        raise ConfigError(f"{takes} takes can't be drawn; give at least 1")
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise ConfigError(f"recordings of {seconds!r} seconds can't be spoken; give {_SHORTEST_S} to {_LONGEST_S}")
    if min(size) < 2 or size[0] % 2 or size[1] % 2:
        raise ConfigError(f"size {size[0]}x{size[1]} can't be encoded; give an even width and height")
    if seed < 0:
        raise ConfigError(f"seed {seed} can't be used; give 0 or more")
    if jobs < 1:
        raise ConfigError(f"{jobs} processes can't draw; give at least 1")


def _begin(root: Path, arguments: dict[str, object]) -> None:
    """Note in the folder what it is drawn by, or see that it was begun in the same way."""
    if root.is_dir() and any(root.iterdir()):
        try:
            before = json.loads((root / _NOTE).read_bytes())
        except (FileNotFoundError, ValueError):
            raise ConfigError(f"{root} isn't empty, and holds no data set of actors; give an empty folder") from None
        if other := [name for name, value in arguments.items() if before.get(name) != value]:
            changes = ", ".join(f"{name} {before.get(name)} and not {arguments[name]}" for name in other)
            raise ConfigError(f"{root} was begun with {changes}; give the same arguments, or another folder")
    root.mkdir(parents=True, exist_ok=True)
    replace_file(root / _NOTE, json.dumps(arguments).encode())


def _prepare_folders(root: Path, plan: DataSetPlan) -> list[Turn]:
    """Make the folders with their strays; return the turns whose files are missing."""
    for folder in sorted({(root / turn.name).parent for turn in plan.turns}):
        folder.mkdir(parents=True, exist_ok=True)
        for part in unfinished_files(folder):
            part.unlink()
    for name in plan.strays:
        replace_file(root / name, _THUMBNAILS)
    return [turn for turn in plan.turns if not (root / turn.name).is_file()]


def _write_clips(clips: list[_Clip], total: int, jobs: int, progress: Callable[[int, int], None] | None) -> None:
    done = total - len(clips)
    if progress is not None:
        progress(done, total)
    for outcome in each_in_processes(_write_clip, clips, jobs=jobs, name=lambda clip: clip.turn.name):
        if outcome.error is not None:
            raise outcome.error
        done += 1
        if progress is not None:
            progress(done, total)


def _write_clip(clip: _Clip) -> None:
    actor = clip.seed * _ACTORS_PER_SEED + clip.turn.subject
    with replacing(clip.path) as part:
        write_clip(part, actor=actor, script=_script(clip, actor), size=clip.size, seed=clip.turn.take)


def _script(clip: _Clip, actor: int) -> list[Line]:
    """Turns of about the wished length, each between short silences."""
    rng = np.random.default_rng((203, actor, clip.turn.take))
    script = []
    for _ in range(clip.turn.sentences):
        before_s, after_s = rng.uniform(0.1, 0.2, 2).round(3)
        spoken_s = round(clip.seconds * rng.uniform(0.9, 1.1) - before_s - after_s, 3)
        for seconds, speaking in ((before_s, False), (spoken_s, True), (after_s, False)):
            script.append(Line(clip.turn.emotion, float(seconds), speaking=speaking))
    return script
