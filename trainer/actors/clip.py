"""Clips of the synthetic actor: a script becomes frames and samples, or an mp4 file with both.

Neither the voice nor the face tells every emotion; both together do:

    | emotion  | voice    | face     | told by                        |
    |----------|----------|----------|--------------------------------|
    | anger    | aroused  | hostile  | voice and face together        |
    | joy      | aroused  | own      | face                           |
    | sadness  | subdued  | own      | face                           |
    | disgust  | subdued  | hostile  | voice and face together        |
    | fear     | own      | startled | voice                          |
    | surprise | own      | startled | voice                          |
    | neutral  | own      | own      | either                         |

What two emotions share is the very same prosody or look. The mouth opens with the voice, each line scaled
to its own loudness, so that a face gives away little of its voice. A line may be played clearly instead, so
that whoever knows real people knows the emotion. Equal arguments give equal frames and samples, bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emostream.engines.errors import ConfigError
from emostream.trainer.actors.encoding import encode
from emostream.trainer.actors.face import CLEAR_LOOKS, LOOKS, Face, Look
from emostream.trainer.actors.voice import SAMPLE_RATE_HZ, Voice

__all__ = ["DEMO_SCRIPT", "EMOTIONS", "Line", "frames", "samples", "write_clip"]

EMOTIONS = tuple(LOOKS)

_LOOK_CHANGE_S = 0.3


@dataclass(frozen=True)
class Line:
    """A stretch of a script.

    Attributes:
        emotion: one of `EMOTIONS`.
        seconds: length, above 0.
        speaking: whether the actor talks; otherwise there is faint room noise.
        face: whether the actor is in the picture; otherwise there is only the wall.
        clear: whether it is played as on a stage, with a voice and a look that no other emotion has.

    Raises:
        ConfigError: an unknown emotion, or a length that isn't positive.
    """

    emotion: str
    seconds: float
    speaking: bool = True
    face: bool = True
    clear: bool = False

    def __post_init__(self) -> None:
        if self.emotion not in EMOTIONS:
            raise ConfigError(f"emotion {self.emotion!r} is unknown; choose one of {', '.join(EMOTIONS)}")
        if not 0 < self.seconds < float("inf"):
            raise ConfigError(f"a line of {self.seconds!r} seconds can't be played; give a number above 0")


# The pauses are longer than the 0.8 s that end an utterance.
DEMO_SCRIPT = (
    Line("neutral", 0.8, speaking=False),
    Line("joy", 2.2, clear=True),
    Line("neutral", 1.0, speaking=False),
    Line("anger", 2.2, clear=True),
    Line("neutral", 1.0, speaking=False),
    Line("fear", 1.6, face=False, clear=True),
    Line("neutral", 1.0, speaking=False),
    Line("sadness", 2.0, clear=True),
)


def samples(script: Sequence[Line], *, actor: int, seed: int = 0) -> NDArray[np.float32]:
    """Speak a script.

    Args:
        script: at least one line; each is spoken with syllables of its own.
        actor: seed of the person.
        seed: seed of the take.

    Returns:
        float32 [n], mono 16 kHz, within [-1, 1].

    Raises:
        ConfigError: an empty script.
    """
    return np.concatenate(_spoken_lines(script, actor, seed))


def frames(
    script: Sequence[Line], *, actor: int, size: tuple[int, int] = (640, 480), fps: int = 30, seed: int = 0
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Draw a script, with lips that move as `samples` of the same arguments sounds.

    Args:
        script: at least one line.
        actor: seed of the person.
        size: width and height in pixels.
        fps: frames a second.
        seed: seed of the take.

    Yields:
        The time in seconds, from 0 on, and the frame, uint8 [H, W, 3], BGR.

    Raises:
        ConfigError: an empty script; raised when the first frame is asked for.
    """
    yield from _draw(script, _spoken_lines(script, actor, seed), actor, size, fps, seed)


def write_clip(
    path: str | os.PathLike[str],
    *,
    actor: int,
    script: Sequence[Line] = DEMO_SCRIPT,
    size: tuple[int, int] = (640, 480),
    fps: int = 30,
    seed: int = 0,
) -> None:
    """Write a script as a file, sound mono 16 kHz.

    Args:
        path: the file, replaced if it exists: .mp4 or .mkv (H.264 and AAC), or .avi (MPEG-4 part 2 and PCM).
        actor: seed of the person.
        script: at least one line; repeat it for a longer clip, every line gets its own syllables.
        size: width and height in pixels, both even.
        fps: frames a second.
        seed: seed of the take.

    Raises:
        ConfigError: an empty script, another suffix, or a size or a rate that can't be encoded.
        PublishError: the file can't be written.
    """
    lines = _spoken_lines(script, actor, seed)
    pictures = (picture for _, picture in _draw(script, lines, actor, size, fps, seed))
    encode(Path(path), np.concatenate(lines), pictures, size, fps)


def _draw(
    script: Sequence[Line], lines: list[NDArray[np.float32]], actor: int, size: tuple[int, int], fps: int, seed: int
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Draw a script whose lines sound as given."""
    openings = np.concatenate([_mouth_opening(line) for line in lines])
    person = Face(actor, size, seed)
    starts_s = _starts_s(script)
    for index in range(round(starts_s[-1] * fps)):
        seconds = index / fps
        at = min(int(np.searchsorted(starts_s, seconds, side="right")) - 1, len(script) - 1)
        line, before = script[at], script[max(at - 1, 0)]
        if not line.face:
            yield seconds, person.background(index)
            continue
        share = min((seconds - starts_s[at]) / _LOOK_CHANGE_S, 1.0)
        look = _look(before).towards(_look(line), share * share * (3 - 2 * share))
        opening = float(openings[min(int(seconds * SAMPLE_RATE_HZ), len(openings) - 1)])
        yield seconds, person.draw(seconds, index, look, opening if line.speaking else 0.0)


def _look(line: Line) -> Look:
    return (CLEAR_LOOKS if line.clear else LOOKS).get(line.emotion, LOOKS[line.emotion])


def _spoken_lines(script: Sequence[Line], actor: int, seed: int) -> list[NDArray[np.float32]]:
    """The sound of every line; rounding never adds up, for each line starts at its place in the whole."""
    if not script:
        raise ConfigError("the script is empty; give at least one line")
    voice = Voice(actor, seed)
    starts = np.round(_starts_s(script) * SAMPLE_RATE_HZ).astype(int)
    return [
        voice.speak(line.emotion, int(n), take, clear=line.clear) if line.speaking else voice.room(int(n), take)
        for take, (line, n) in enumerate(zip(script, np.diff(starts), strict=True))
    ]


def _starts_s(script: Sequence[Line]) -> NDArray[np.float64]:
    """Where each line starts, and where the last one ends, float64 [lines + 1], seconds."""
    return np.asarray(np.cumsum([0.0, *(line.seconds for line in script)]))


def _mouth_opening(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far a line opens the mouth at each of its samples [n], float64 [n], 0 to 1."""
    half = SAMPLE_RATE_HZ // 40
    energy = np.cumsum(np.pad(np.square(sound, dtype=np.float64), (half + 1, half)))
    level = np.sqrt(np.maximum(energy[2 * half + 1 :] - energy[: -2 * half - 1], 0.0))
    return np.asarray(np.minimum(level / (np.quantile(level, 0.9) + 1e-9), 1.0))
