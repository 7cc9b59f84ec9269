"""What a benchmark plays: a clip of the synthetic actor, and a bundle with random weights.

Both are made once and kept in the system's temporary folder, under a name that changes with what they are made of.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import shown_path
from emostream.engines.errors import ConfigError
from emostream.engines.files import replacing
from emostream.engines.frontend.grid import segment_count
from emostream.engines.media.container import Contents
from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.settings import SAMPLE_RATE
from emostream.trainer.actors import clip, face, voice
from emostream.trainer.actors.clip import EMOTIONS, Line, write_clip
from emostream.trainer.commands.common import train_extra
from emostream.trainer.networks.presets import PRESETS

__all__ = ["Clip", "actor_clip", "actor_script", "chosen_bundle", "untrained_bundle"]

_LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")  # the paper's six
_SPEAKING_S, _PAUSE_S, _AWAY_S = 4.0, 1.0, 1.5  # a pause ends an utterance


@dataclass(frozen=True)
class Clip:
    """What a clip holds.

    Attributes:
        name: of its file.
        start: when its earlier track starts, in seconds of its own time.
        seconds: from the start of its earlier track to the end of its later one.
        segments: how many the grid rule gives for it.
        frames: of video.
        frame_size: width and height in pixels; None without video.
        audio: whether it has sound.
    """

    name: str
    start: float
    seconds: float
    segments: int
    frames: int
    frame_size: tuple[int, int] | None
    audio: bool

    @classmethod
    def of(cls, file: Path) -> Clip:
        """Decode a clip from its beginning to its end.

        Raises:
            SourceError: it can't be read.
        """
        contents = Contents.of(str(file))
        frames, frame_size = 0, None
        starts, ends = [], []
        if contents.video:
            with VideoTrack(str(file)) as video:
                for frame in video:
                    frames += 1
                    frame_size = (frame.image.shape[1], frame.image.shape[0])
            starts.append(video.start)
            ends.append(video.end)
        if contents.audio:
            with AudioTrack(str(file)) as audio:
                for _ in audio:
                    pass
            starts.append(audio.start)
            ends.append(audio.end)
        start = min(starts)
        seconds = max(ends) - start
        segments = segment_count(max(seconds, 1.0 / SAMPLE_RATE))
        return cls(file.name, round(start, 6), round(seconds, 6), segments, frames, frame_size, contents.audio)


def actor_script(seconds: float) -> list[Line]:
    """A script of this length that goes through all emotions, mostly with face and voice.

    Each emotion is spoken for four seconds and followed by a pause of one; once a round the actor speaks from
    outside the picture.
    """
    lines = [part for emotion in EMOTIONS for part in (Line(emotion, _SPEAKING_S), Line(emotion, _PAUSE_S, False))]
    lines += [Line("neutral", _AWAY_S, face=False), Line("neutral", _PAUSE_S, speaking=False)]
    script: list[Line] = []
    left = seconds
    while left > 1e-9:
        line = lines[len(script) % len(lines)]
        script.append(Line(line.emotion, min(line.seconds, left), line.speaking, line.face))
        left -= line.seconds
    return script


def actor_clip(seconds: float) -> Path:
    """The synthetic actor at 640 x 480, 30 frames a second, with sound.

    Raises:
        ConfigError: the length isn't positive.
        PublishError: it can't be written.
    """
    made_of = _fingerprint([clip.__file__, face.__file__, voice.__file__, __file__])
    file = _kept(made_of) / f"actor-{seconds:g}s.mp4"
    if not file.exists():
        print(f"drawing {seconds:g} s of the synthetic actor ...", flush=True)
        with replacing(file) as part:
            write_clip(part, actor=1, script=actor_script(seconds))
    return file


def chosen_bundle(bundle: Path | None, preset: str | None) -> tuple[Path, list[str]]:
    """The bundle that `--bundle` or `--preset` names, `compact` for neither, and the option as a report may show it.

    Raises:
        ConfigError: both are given, or there is no such preset.
    """
    if bundle is not None and preset is not None:
        raise ConfigError("--bundle and --preset name two bundles; leave out one of them")
    if bundle is not None:
        return bundle, ["--bundle", shown_path(bundle)]
    preset = preset or "compact"
    return untrained_bundle(preset), ["--preset", preset]


def untrained_bundle(preset: str) -> Path:
    """A bundle with random weights: full size and speed, and scores that mean nothing.

    Raises:
        ConfigError: there is no such preset, or a package of the `train` extra is missing.
        PublishError: it can't be written.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}; expected {' or '.join(PRESETS)}")
    trainer = Path(clip.__file__).parents[1]
    sources = [trainer / "export.py", trainer / "untrained.py", *sorted((trainer / "networks").glob("*.py"))]
    made_of = _fingerprint(list(map(str, sources)))
    place = _kept(made_of) / f"untrained-{preset}"
    if not place.exists():
        print(f"making an untrained {preset} bundle ...", flush=True)
        with train_extra():  # torch, which whoever has a bundle can do without
            from emostream.trainer.untrained import write_untrained
        folder = Path(tempfile.mkdtemp(dir=place.parent))
        try:
            write_untrained(folder / place.name, PRESETS[preset], _LABELS, name=place.name, seed=0)
            os.replace(folder / place.name, place)
        finally:
            shutil.rmtree(folder)
    return place


def _kept(made_of: str) -> Path:
    folder = Path(tempfile.gettempdir()) / "emostream-benchmarks" / made_of
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fingerprint(files: Sequence[str]) -> str:
    """Tells one state of these sources from another."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(Path(file).read_bytes())
    return whole.hexdigest()[:12]
