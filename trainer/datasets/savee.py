"""SAVEE: four men who read sentences in seven emotions (Haq and Jackson, AVSP 2009)."""

from __future__ import annotations

import re
from pathlib import Path

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import DataSet, ReadOptions, Recording
from emostream.trainer.datasets.files import MEDIA_SUFFIXES, Layout, sound_or_pictures

__all__ = ["LAYOUT", "read"]

_NAME = re.compile(r"(?:.*/)?(DC|JE|JK|KL)[/_]([a-z]+)\d+\.\w+", re.IGNORECASE)
_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "joy",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

LAYOUT = Layout(
    "AudioData/DC/a01.wav and AudioVisualClip/DC/a1.avi with the speakers DC, JE, JK, KL, or DC_a01.wav",
    r"(.*/)?(DC|JE|JK|KL)[/_](a|d|f|h|n|sa|su)\d\d?",
    MEDIA_SUFFIXES,
)


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read SAVEE, whose file names begin with the emotion.

    Args:
        root: the folder with `AudioData` or `AudioVisualClip`, or one of them.
        options: which recordings, and of which kind of file: sound alone, or pictures with their sound.

    Returns:
        The data set; complete, it has 480 recordings of 4 subjects, 120 neutral and 60 of every other class.

    Raises:
        ConfigError: classes that it doesn't have.
        DataError: a file that tells no speaker and emotion, no files of the wanted kind, or a class without
            recordings.
    """
    files, others = sound_or_pictures("SAVEE", root, options.modality)
    recordings = [_recording(name, path) for name, path in files]
    left_out = {"another modality": others}
    return assemble("savee", recordings, options, known=tuple(_EMOTIONS.values()), left_out=left_out)


def _recording(name: str, path: Path) -> Recording:
    match = _NAME.fullmatch(name)
    label = _EMOTIONS.get(match[2].lower()) if match else None
    if match is None or label is None:
        raise DataError(
            f"{name} of SAVEE tells no speaker and emotion; expected a speaker's folder DC, JE, JK or KL and a name "
            f"such as a01 with {', '.join(f'{code} ({emotion})' for code, emotion in _EMOTIONS.items())}: "
            f"give the data set's own folder, or move other files out of it"
        )
    return Recording(name, match[1].upper(), label, path)
