"""Real recordings to calibrate INT8 on, and others to see what it costs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from emostream.engines.backends.openvino.int8_build import Example
from emostream.engines.errors import ConfigError, SourceError
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.offline import OfflineRecording

__all__ = ["read_examples"]

_log = logging.getLogger("emostream")

_MOST_CLIPS = 1500  # of 0.8 MB each, all in memory
_SUFFIXES = {".avi", ".flac", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".ogg", ".wav", ".webm"}


def read_examples(
    folders: Sequence[Path], labels: Sequence[str], watch: Callable[[str], None] = lambda _: None
) -> tuple[list[Example], list[Example]]:
    """Cut recordings into segments; half of them are to calibrate, and the others are held out.

    Args:
        folders: of recordings, at any depth. The name of a recording's own folder is its label, if it is one.
        labels: of the bundle.
        watch: told of the progress.

    Returns:
        Those to calibrate on, and those that are held out, each with segments that have a voice or a face.

    Raises:
        ConfigError: a folder is missing, or there are fewer than two recordings with a voice or a face.
    """
    files: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--recordings {folder} is no folder; name one with recordings in it")
        files += [each for each in folder.rglob("*") if each.suffix.lower() in _SUFFIXES]
    # In an order that has nothing to do with what they show, and the same each time.
    files.sort(key=lambda each: hashlib.sha256(each.name.encode()).digest())
    examples: list[Example] = []
    clips = 0
    for number, file in enumerate(files, 1):
        if clips >= _MOST_CLIPS:
            _log.info("%d recordings are enough; the other %d are left", number - 1, len(files) - number + 1)
            break
        watch(f"reading {number} of {len(files)} recordings")
        try:
            with OfflineRecording(str(file), choose_detector().make()) as recording:
                segments = [each for each in recording if each.mel is not None or each.clip is not None]
        except SourceError as error:
            _log.warning("%s; going on without it", error)
            continue
        clips += sum(each.clip is not None for each in segments)
        if segments:
            examples.append(Example(segments, file.parent.name if file.parent.name in labels else None))
    if len(examples) < 2:
        raise ConfigError(
            f"{len(examples)} of {len(files)} recordings have a voice or a face, expected two or more; name others "
            "with --recordings"
        )
    return examples[::2], examples[1::2]
