"""Pictures that are in a training split and in a test split as well."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["copies_among"]

_ALIKE = 0.98  # correlation of two pictures; another encoding or a shift of the greys stays above it
_PART = 2048

Images = npt.NDArray[np.uint8]


def copies_among(images: Images, others: Images) -> npt.NDArray[np.bool_]:
    """Which pictures are also among others, byte for byte or nearly so.

    Args:
        images: uint8 [N, height, width], grey.
        others: uint8 [M, height, width].

    Returns:
        bool [N]: whether it equals one of the others, or their correlation is above 0.98.
    """
    if not len(others):
        return np.zeros(len(images), bool)
    known, contents = _centred(others).T, {other.tobytes() for other in others}
    equal = np.array([image.tobytes() in contents for image in images], bool)
    parts = [_centred(images[first : first + _PART]) @ known for first in range(0, len(images), _PART)]
    alike = np.concatenate([part.max(axis=1) > _ALIKE for part in parts] or [np.zeros(0, bool)])
    return np.asarray(equal | alike)


def _centred(images: Images) -> npt.NDArray[np.float32]:
    """Pictures as rows of mean 0 and length 1, float32 [N, height * width]."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths: npt.NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, np.inf), np.float32)
