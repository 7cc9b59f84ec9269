"""The size of a JPEG, before anything is decoded."""

from __future__ import annotations

import struct

__all__ = ["jpeg_size"]

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame (ITU T.81, table B.1)
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the data are no JPEG."""
    if data[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        if marker in _BARE_MARKERS or marker == 0xFF:  # 0xFF fills
            place += 1 if marker == 0xFF else 2
            continue
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return None
