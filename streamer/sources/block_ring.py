"""Blocks of sound from one process to another, through a file that both have mapped into their memory."""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

__all__ = ["BlockRing", "RawBlock"]

_SLOTS = 100  # 2 s; a reader that is further behind loses the oldest
_WRITTEN = struct.Struct("<q")  # blocks so far, at the beginning
_HEADER = struct.Struct("<qddqqq")  # number, arrival, delay, frames, channels, lost
_NONE = -1  # the number of a slot that is just being written
_SAMPLES = 16_384  # a slot holds: 20 ms of 2 channels at 384 kHz
_SLOT_BYTES = _HEADER.size + 4 * _SAMPLES
_BYTES = _WRITTEN.size + _SLOTS * _SLOT_BYTES


@dataclass(frozen=True, eq=False)
class RawBlock:
    """What the sound card gave.

    Attributes:
        arrived: monotonic time of its arrival, in seconds.
        delay: from the first sample's ADC time to the arrival, in seconds; None where the host doesn't say.
        samples: float32 [n, channels].
        lost: samples were lost just before it.
    """

    arrived: float
    delay: float | None
    samples: npt.NDArray[np.float32]
    lost: bool = False


class BlockRing:
    """A ring of blocks with one writer and one reader, each in a process of its own."""

    def __init__(self, path: Path) -> None:
        """Map the file of a ring."""
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _BYTES)
        self._written = self._read = 0
        self._descriptor: int | None = None

    @classmethod
    def create(cls) -> Self:
        """Make an empty ring.

        Raises:
            OSError: there is no memory, or no folder to write to.
        """
        if sys.platform == "linux":  # memory without a name, of which nothing is left however its processes end
            descriptor = os.memfd_create("emostream")
            path = f"/proc/self/fd/{descriptor}"
        else:
            descriptor, path = tempfile.mkstemp(prefix="emostream-")
        os.truncate(descriptor, _BYTES)
        ring = cls(Path(path))
        ring._descriptor = descriptor
        return ring

    @property
    def inherited(self) -> tuple[int, ...]:
        """Descriptors that a process needs to map the ring."""
        return (self._descriptor,) if sys.platform == "linux" and self._descriptor is not None else ()

    def write(self, block: RawBlock) -> None:
        """Put a block in the place of the oldest. Only the writer's process calls this.

        Raises:
            ValueError: the block is larger than a slot.
        """
        samples = np.ascontiguousarray(block.samples, dtype=np.float32)
        if samples.size > _SAMPLES:
            raise ValueError(f"a block of {samples.size} samples does not fit a slot of {_SAMPLES}")
        start = _WRITTEN.size + self._written % _SLOTS * _SLOT_BYTES
        first = start + _HEADER.size
        delay = float("nan") if block.delay is None else block.delay
        frames, channels = samples.shape
        _WRITTEN.pack_into(self._memory, start, _NONE)
        self._memory[first : first + samples.nbytes] = samples.tobytes()
        _HEADER.pack_into(self._memory, start, self._written, block.arrived, delay, frames, channels, int(block.lost))
        self._written += 1
        _WRITTEN.pack_into(self._memory, 0, self._written)

    def read(self) -> RawBlock | None:
        """The next block; None where there is none. The first one after lost ones says so."""
        (written,) = _WRITTEN.unpack_from(self._memory)
        oldest = written - _SLOTS + 1  # the one before may be in the writer's hands
        behind = self._read < oldest
        self._read = max(self._read, oldest)
        while self._read < written:
            number = self._read
            self._read += 1
            block = self._slot(number)
            if block is not None:
                return replace(block, lost=block.lost or behind)
            behind = True
        return None

    def _slot(self, number: int) -> RawBlock | None:
        start = _WRITTEN.size + number % _SLOTS * _SLOT_BYTES
        found, arrived, delay, frames, channels, lost = _HEADER.unpack_from(self._memory, start)
        samples = np.frombuffer(self._memory, np.float32, frames * channels, start + _HEADER.size).copy()
        again = _HEADER.unpack_from(self._memory, start)[0]  # the writer may have come round while it was copied
        if not found == again == number:
            return None
        return RawBlock(arrived, None if np.isnan(delay) else delay, samples.reshape(frames, channels), bool(lost))

    def unlink(self) -> None:
        """Let go of what is needed to map the ring, once both have."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        if sys.platform != "linux":
            with suppress(PermissionError):  # Windows, where a mapped file keeps its name
                self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the memory go."""
        self._memory.close()
        self.unlink()
