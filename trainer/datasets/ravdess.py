"""RAVDESS: 24 actors who speak two sentences in eight emotions (Livingstone and Russo, PLoS ONE 2018)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import DataSet, Modality, ReadOptions, Recording
from emostream.trainer.datasets.files import AUDIO_SUFFIXES, MEDIA_SUFFIXES, VIDEO_SUFFIXES, Layout, media_files

__all__ = ["LAYOUT", "read"]

_NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-\d\d-\d\d-\d\d-(\d\d)")
_MODALITIES: dict[str, Modality] = {"01": "both", "02": "video", "03": "audio"}
_SONG = "02"
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "joy",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}

LAYOUT = Layout(
    "Actor_01/03-01-05-01-01-01-01.wav (audio), 02-*.mp4 (video) or 01-*.mp4 (both), in any folders",
    r"(.*/)?0[123](-\d\d){6}",
    MEDIA_SUFFIXES,
)


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read the speech of RAVDESS, which its file names describe.

    Args:
        root: the folder with the actors' folders; they may lie deeper.
        options: which recordings, and of which kind of file.

    Returns:
        The data set; complete, it has 1440 recordings of 24 subjects, 96 neutral and 192 of every other class, of
        which the paper's six classes are 1152. In some copies two of Actor_07's are the same file.

    Raises:
        ConfigError: classes that it doesn't have.
        DataError: a file whose name tells nothing, no files of the wanted kind, or a class without recordings.
    """
    recordings = []
    left_out: Counter[str] = Counter()
    kinds: Counter[Modality] = Counter()
    for name, path in media_files(root):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise DataError(
                f"{name} of RAVDESS tells no emotion and actor; expected a name such as 03-01-05-01-01-01-01.wav: "
                f"give the data set's own folder, or move other files out of it"
            )
        modality, channel, emotion, actor = match.groups()
        if channel == _SONG:
            left_out["songs"] += 1
            continue
        kind = _MODALITIES[modality]
        kinds[kind] += 1
        # Sound taken out of a video keeps the video's name.
        if kind == options.modality and path.suffix.lower() in (AUDIO_SUFFIXES if kind == "audio" else VIDEO_SUFFIXES):
            recordings.append(Recording(name, f"Actor_{actor}", _EMOTIONS[emotion], path))
        else:
            left_out["another modality"] += 1
    if kinds and not recordings:
        there = ", ".join(f"{n} of modality {kind}" for kind, n in sorted(kinds.items()))
        raise DataError(f"{root} has no speech of RAVDESS for modality {options.modality}, but {there}; choose that")
    return assemble("ravdess", recordings, options, known=tuple(_EMOTIONS.values()), left_out=left_out)
