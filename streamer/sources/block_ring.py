"""Blocks of sound from one process to another, through a file that both have mapped into their memory."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

__all__ = ["ALIVE", "BLOCK", "BlockRing", "RawBlock"]

BLOCK, ALIVE = b".", b"-"  # what the writer tells the reader: a block is there, and nothing yet

_SLOTS = 100  # 2 s; a reader that is further behind loses the oldest
_HEADER = struct.Struct("<qddqqq")  # number, arrival, delay, frames, channels, lost
_SAMPLES = 16_384  # a slot holds: 20 ms of 2 channels at 384 kHz
_SLOT_BYTES = _HEADER.size + 4 * _SAMPLES
_SHARED_MEMORY = Path("/dev/shm")  # Linux; elsewhere the system's temporary folder, which is cached as well


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
    """A ring of blocks with one writer and one reader, which tells the reader of each block by other means."""

    def __init__(self, path: Path) -> None:
        """Map the file of a ring."""
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SLOTS * _SLOT_BYTES)
        self._written = self._read = 0

    @classmethod
    def create(cls) -> Self:
        """Make an empty ring.

        Raises:
            OSError: there is no memory, or no folder to write to.
        """
        folder = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
        descriptor, name = tempfile.mkstemp(prefix="emostream-", dir=folder)
        os.truncate(descriptor, _SLOTS * _SLOT_BYTES)
        os.close(descriptor)
        return cls(Path(name))

    def write(self, block: RawBlock) -> None:
        """Put a block in the place of the oldest. Only the writer's process calls this.

        Raises:
            ValueError: the block is larger than a slot.
        """
        samples = np.ascontiguousarray(block.samples, dtype=np.float32)
        if samples.size > _SAMPLES:
            raise ValueError(f"a block of {samples.size} samples does not fit a slot of {_SAMPLES}")
        start = self._written % _SLOTS * _SLOT_BYTES
        delay = float("nan") if block.delay is None else block.delay
        frames, channels = samples.shape
        header = _HEADER.pack(self._written, block.arrived, delay, frames, channels, block.lost)
        self._memory[start + _HEADER.size : start + _HEADER.size + samples.nbytes] = samples.tobytes()
        self._memory[start : start + _HEADER.size] = header
        self._written += 1

    def read(self) -> RawBlock | None:
        """The next block, which must have been written; None where it has been overwritten meanwhile."""
        number = self._read
        self._read += 1
        start = number % _SLOTS * _SLOT_BYTES
        found, arrived, delay, frames, channels, lost = _HEADER.unpack_from(self._memory, start)
        samples = np.frombuffer(self._memory, np.float32, frames * channels, start + _HEADER.size).copy()
        again = _HEADER.unpack_from(self._memory, start)[0]  # the writer may have come round while it was copied
        if not found == again == number:
            return None
        return RawBlock(arrived, None if np.isnan(delay) else delay, samples.reshape(frames, channels), bool(lost))

    def unlink(self) -> None:
        """Take the file's name away, once both have mapped it: nothing is left of it when they end, however they do."""
        try:
            self.path.unlink(missing_ok=True)
        except PermissionError:  # Windows, where a mapped file keeps its name
            return

    def close(self) -> None:
        """Let the memory go."""
        self._memory.close()
        self.unlink()
