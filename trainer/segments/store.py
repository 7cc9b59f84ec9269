"""The segments of one recording on disk: written once, mapped into memory ever after.

Two files a recording, named after its content and the settings of the front end: `KEY.npz` with its sound and the
table of its segments, `KEY.crops` with its face crops, each once although segments overlap. The first is written last.
A file under another name is a part of one that was never finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from emostream.engines.archive import sha256_of
from emostream.engines.errors import DataError, SourceError
from emostream.engines.files import replacing, unfinished_files
from emostream.engines.frontend.logmel import deltas, log_mel, mel_input
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.settings import (
    CLIP_FRAMES,
    CROP_HEIGHT,
    CROP_WIDTH,
    FRONTEND,
    MEL_FRAMES,
    MEL_HOP,
    MEL_SHIFT,
    MEL_WINDOW,
    SEGMENT_SAMPLES,
    SHIFT_SAMPLES,
)

__all__ = ["SEGMENT_WINDOW", "SHORT_WINDOW", "SegmentStore", "Segments", "Window"]

_LAYOUT = 1  # of the two files
_ARRAYS = ("samples", "arrived", "voiced", "frames")
_CROP = (CROP_HEIGHT, CROP_WIDTH, 3)
_STALE_S = 3600.0  # a part that nobody wrote to for so long is a killed process's
# What damaged tables raise; NotImplementedError is a RuntimeError, UnicodeDecodeError a ValueError.
_DAMAGE = (OSError, EOFError, KeyError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Window:
    """A length of audio windows.

    Attributes:
        frames: of one window.
        shift: frames from one window to the next.
    """

    frames: int
    shift: int


SEGMENT_WINDOW = Window(MEL_FRAMES, MEL_SHIFT)
SHORT_WINDOW = Window(15, 7)  # what the paper's table IV compares with; it doesn't state the shift


@dataclass(frozen=True, eq=False)
class Segments:
    """The S segments of one recording.

    Attributes:
        key: names its content and the settings of the front end.
        file: of the crops.
        length_s: seconds of the grid that it spans.
        pictures: whether it has a video track.
        samples: float32 [N], mono, 16 kHz, from the first segment's start to the last one's end; N = 0 without sound.
        arrived: bool [S], whether at least 90 % of a segment's sound is there.
        voiced: bool [S], whether it is there and at least 250 ms of it are speech.
        frames: int32 [S, 16], which crops make a segment's clip; -1 where the face is absent.
    """

    key: str
    file: Path
    length_s: float
    pictures: bool
    samples: npt.NDArray[np.float32]
    arrived: npt.NDArray[np.bool_]
    voiced: npt.NDArray[np.bool_]
    frames: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return int(self.arrived.size)

    @property
    def faces(self) -> npt.NDArray[np.bool_]:
        """Whether the face is present in a segment, bool [S]."""
        return np.asarray(self.frames[:, 0] >= 0)

    def mel_count(self, window: Window) -> int:
        """Number of audio windows of a length that fit its sound."""
        beyond = self.samples.size - MEL_WINDOW - (window.frames - 1) * MEL_HOP
        return max(beyond // (window.shift * MEL_HOP) + 1, 0)

    def mel(self, index: int, window: Window = SEGMENT_WINDOW) -> npt.NDArray[np.float32]:
        """Audio window `index`, float32 [3, 64, frames]; of segments' length, the network's input `mel`."""
        start = index * window.shift * MEL_HOP
        samples = self.samples[start : start + SEGMENT_SAMPLES]
        if window == SEGMENT_WINDOW:
            return mel_input(samples)
        padded = np.append(samples, np.zeros(SEGMENT_SAMPLES - samples.size, np.float32))
        static = log_mel(padded)[:, : window.frames]
        first = deltas(static)  # inside the window
        return np.stack([static, first, deltas(first)])

    def clip(self, index: int) -> npt.NDArray[np.uint8]:
        """The network input of segment `index`, uint8 [16, 150, 110, 3], RGB; its face is present."""
        # Mapped for this call alone: a mapping holds its file open, and data sets have more than a process may open.
        crops = np.memmap(self.file, np.uint8, "r").reshape(-1, *_CROP)
        return np.asarray(crops[self.frames[index]])


class SegmentStore:
    """A folder of recordings' segments.

    Attributes:
        folder: the folder.
        detector: identity of the face detector that the segments depend on.
    """

    def __init__(self, folder: Path, detector: str) -> None:
        """Name the folder, made when first written to, and the face detector that the segments depend on."""
        self.folder, self.detector = folder, detector
        self._settings = json.dumps([_LAYOUT, FRONTEND, detector], sort_keys=True)

    def key(self, recording: Path) -> str:
        """What a recording's segments are found under.

        Raises:
            SourceError: the file can't be read.
        """
        try:
            content = sha256_of(recording)
        except OSError as error:
            raise SourceError(f"{recording} can't be read: {error.strerror}") from None
        return hashlib.sha256(f"{content} {self._settings}".encode()).hexdigest()[:32]

    def load(self, key: str) -> Segments | None:
        """The segments under a key; None where they are not there, or not whole."""
        table, crops = self._files(key)
        try:
            with zipfile.ZipFile(table) as members:
                length, pictures = float(_array(members, "length_s")), bool(_array(members, "pictures"))
                found = Segments(key, crops, length, pictures, **{name: _array(members, name) for name in _ARRAYS})
            whole = crops.stat().st_size == (int(found.frames.max(initial=-1)) + 1) * np.prod(_CROP)
        except _DAMAGE:
            return None
        return found if whole else None

    def write(self, key: str, cut: Iterable[Segment], length_s: Callable[[], float]) -> Segments:
        """Write the segments of a recording, in order.

        Args:
            key: of the recording.
            cut: its segments; they need not fit in memory.
            length_s: seconds of the grid, asked when they have ended.

        Raises:
            DataError: there is no room, or the folder can't be written.
        """
        table, crops = self._files(key)
        try:
            table.parent.mkdir(parents=True, exist_ok=True)
            with replacing(crops) as part, part.open("xb") as stream:
                collected = _collect(cut, stream)
            with replacing(table) as part, part.open("xb") as stream:
                np.savez(stream, length_s=length_s(), **collected)
        except OSError as error:
            raise DataError(
                f"segments can't be written to {self.folder}: {error.strerror or error}; "
                "name a folder with room for them as --cache"
            ) from error
        return Segments(key, crops, length_s(), **collected)

    def sweep(self) -> None:
        """Remove what killed processes left of files that they were writing."""
        for folder in self.folder.glob("*/"):
            for part in unfinished_files(folder):
                with suppress(OSError):  # another process was faster, or may and this one may not
                    if time.time() - part.stat().st_mtime > _STALE_S:
                        part.unlink()

    def _files(self, key: str) -> tuple[Path, Path]:
        place = self.folder / key[:2]
        return place / f"{key}.npz", place / f"{key}.crops"


def _array(members: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """One array of a table, read whole before NumPy sees it: that is when its checksum is compared."""
    return np.asarray(np.load(io.BytesIO(members.read(f"{name}.npy")), allow_pickle=False))


def _collect(cut: Iterable[Segment], crops: BinaryIO) -> dict[str, Any]:
    """The arrays of `Segments`; each crop is written as soon as a segment has it."""
    samples: list[npt.NDArray[np.float32]] = []
    arrived, voiced, frames = [], [], []
    pictures = False
    rows: dict[int, int] = {}  # where the crop of a tick lies
    for segment in cut:
        if segment.samples is not None:
            samples[-1:] = [*(part[:SHIFT_SAMPLES] for part in samples[-1:]), segment.samples]
        arrived.append(segment.audio_reason in (None, "no_voice"))
        voiced.append(segment.mel is not None)
        pictures |= segment.video_reason != "off"
        for tick, crop in zip(segment.ticks, segment.clip if segment.clip is not None else (), strict=True):
            if tick not in rows:
                rows[tick] = len(rows)
                crops.write(np.ascontiguousarray(crop).data)
        frames.append([rows[tick] for tick in segment.ticks] or [-1] * CLIP_FRAMES)
    return {
        "pictures": pictures,
        "samples": np.concatenate(samples) if samples else np.zeros(0, np.float32),
        "arrived": np.array(arrived, bool),
        "voiced": np.array(voiced, bool),
        "frames": np.array(frames, np.int32).reshape(-1, CLIP_FRAMES),
    }
