"""The heads: linear one-versus-one SVMs that turn a pooled feature into a probability for each class.

The paper's classifier is LIBSVM, linear, one-versus-one. Its probabilities are Platt's sigmoid for each pair and
the pairwise coupling of Wu, Lin and Weng (JMLR 5, 2004, second approach), as in LIBSVM.
"""

from __future__ import annotations

import tokenize
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emostream.engines.archive import ZIP_DAMAGE, open_zip
from emostream.engines.errors import BundleError

__all__ = ["HEAD_NAMES", "HeadName", "LinearSVM", "couple", "load_heads", "save_heads"]

HeadName = Literal["audio", "video", "fused"]
HEAD_NAMES: tuple[HeadName, ...] = ("audio", "video", "fused")

_FIELDS = ("weight", "bias", "prob_a", "prob_b")
_MIN_PAIR_PROBABILITY = 1e-7  # LIBSVM's clip: no pair is ever certain
_MAX_BYTES = 256 << 20  # a hundred classes have 200 MB
# What NumPy, zipfile and the parser of an array's header raise for damaged files.
_DAMAGE = (*ZIP_DAMAGE, TypeError, MemoryError, RecursionError, SyntaxError, tokenize.TokenError)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LinearSVM:
    """A linear one-versus-one SVM over C classes with P = C (C - 1) / 2 pairs.

    Pairs (i, j), i < j, come in the order (0, 1), (0, 2), ..., (C - 2, C - 1); a positive decision value speaks for i.

    Attributes:
        weight: float32 [P, D].
        bias: float32 [P].
        prob_a: float32 [P], slope of each pair's sigmoid: P(i | i or j) = 1 / (1 + exp(prob_a f + prob_b)).
        prob_b: float32 [P], its offset.
    """

    weight: FloatArray
    bias: FloatArray
    prob_a: FloatArray
    prob_b: FloatArray

    def __post_init__(self) -> None:
        pairs = self.bias.shape[0] if self.bias.ndim == 1 else -1
        classes = (1 + int(np.sqrt(1 + 8 * max(pairs, 0)))) // 2
        shapes = (self.weight.shape[:1], self.prob_a.shape, self.prob_b.shape)
        if (
            self.weight.ndim != 2
            or pairs != classes * (classes - 1) // 2
            or pairs < 1
            or any(s != (pairs,) for s in shapes)
        ):
            raise ValueError(
                f"a head has weight {self.weight.shape}, bias {self.bias.shape}, prob_a {self.prob_a.shape}, "
                f"prob_b {self.prob_b.shape}; expected [P, D], [P], [P], [P] with P = C (C - 1) / 2"
            )
        if not all(np.isfinite(getattr(self, name)).all() for name in _FIELDS):
            raise ValueError("a head holds values that are not finite; expected finite ones")

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return (1 + int(np.sqrt(1 + 8 * self.bias.shape[0]))) // 2

    @property
    def features(self) -> int:
        """Length D of the feature."""
        return int(self.weight.shape[1])

    def decisions(self, x: FloatArray) -> npt.NDArray[np.float64]:
        """Decision values [N, P] of features [N, D]."""
        product: npt.NDArray[np.float64] = np.asarray(x, np.float64) @ self.weight.T.astype(np.float64)
        return product + self.bias

    def probabilities(self, x: FloatArray) -> npt.NDArray[np.float64]:
        """Probabilities [N, C] of features [N, D]; each row sums to one."""
        logits = self.prob_a * self.decisions(x) + self.prob_b
        pairs = 0.5 * (1.0 - np.tanh(0.5 * logits))
        return couple(pairs, self.classes)


def couple(pairs: npt.NDArray[np.float64], classes: int) -> npt.NDArray[np.float64]:
    """Class probabilities [N, C] that fit the pairwise ones best (Wu, Lin and Weng 2004, equations 21 and 22).

    Args:
        pairs: P(i | i or j) for each pair i < j, [N, C (C - 1) / 2].
        classes: C.

    Returns:
        Row by row the minimiser of sum over i != j of (r_ji p_i - r_ij p_j)^2 with sum p = 1, p >= 0.
    """
    clipped = np.clip(pairs, _MIN_PAIR_PROBABILITY, 1 - _MIN_PAIR_PROBABILITY)
    r = np.zeros((len(pairs), classes, classes))
    first, second = np.array(list(combinations(range(classes), 2))).T
    r[:, first, second], r[:, second, first] = clipped, 1.0 - clipped
    # The optimality conditions Q p = -b e, e'p = 1: one linear system, non-singular whatever the pairs.
    system = np.ones((len(pairs), classes + 1, classes + 1))
    system[:, :classes, :classes] = -r.transpose(0, 2, 1) * r
    diagonal = np.arange(classes)
    system[:, diagonal, diagonal] = (r**2).sum(axis=1)
    system[:, classes, classes] = 0.0
    right = np.zeros((len(pairs), classes + 1, 1))
    right[:, classes] = 1.0
    positive = np.maximum(np.linalg.solve(system, right)[:, :classes, 0], 0.0)
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


def save_heads(file: Path, heads: Mapping[HeadName, LinearSVM]) -> None:
    """Write the three heads of a bundle as `heads.npz`."""
    arrays: dict[str, Any] = {
        f"{name}_{field}": np.asarray(getattr(heads[name], field), dtype=np.float32)
        for name in HEAD_NAMES
        for field in _FIELDS
    }
    np.savez(file, **arrays)


def load_heads(file: Path) -> dict[HeadName, LinearSVM]:
    """Read the three heads of a bundle.

    Raises:
        BundleError: the file is no `heads.npz`, or an array is missing, misshapen or not finite.
    """
    try:
        with open_zip(file) as archive:
            if (size := sum(info.file_size for info in archive.infolist())) > _MAX_BYTES:
                raise ValueError(f"has arrays of {size:,} bytes, expected at most {_MAX_BYTES:,}")
            return {
                name: LinearSVM(**{field: _float_array(archive, f"{name}_{field}") for field in _FIELDS})
                for name in HEAD_NAMES
            }
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(
            f"{file.name}: {reason[:200]}; expected the heads of a bundle: make the bundle again"
        ) from None


def _float_array(archive: zipfile.ZipFile, name: str) -> FloatArray:
    member = f"{name}.npy"
    if member not in archive.namelist():
        raise ValueError(f"has no array {name!r}")
    with archive.open(member) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd headers, which are read or refused
        array = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.kind != "f":
        raise ValueError(f"has something else than floating-point numbers as {name!r}")
    with np.errstate(over="ignore"):  # what is infinite in float32 is refused by the head
        return array.astype(np.float32)
