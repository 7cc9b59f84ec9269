"""An ONNX file looked through before any runtime gets it.

The runtimes take more from a model than a bundle may hold: weights out of any other file of the machine (TensorProto's
`external_data`), operators that name files of their own, tensors of a size that was only claimed. This reads the few
fields of ONNX's protocol buffers that say so (onnx.proto3 of ONNX 1.20), and needs no package for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from emostream.engines.errors import BundleError

__all__ = ["check_onnx"]

Kind = Literal["model", "graph", "node", "attribute", "tensor", "sparse", "function", "training"]
Value = int | memoryview

# Where messages that may hold tensors lie: the numbers of their fields.
_PARTS: dict[Kind, dict[int, Kind]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_NODE_DOMAIN = 7
_DOMAINS = (b"", b"ai.onnx")
_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_TYPED = {4: 1, 10: 11}  # fields that hold numbers of one element type, float and double
# By the number of the element type: as what it is read, and the bits that are all set where it is not finite.
_EXPONENTS: dict[int, tuple[str, int]] = {
    1: ("<u4", 0x7F80_0000),
    10: ("<u2", 0x7C00),
    11: ("<u8", 0x7FF0_0000_0000_0000),
    16: ("<u2", 0x7F80),
}
_MAX_FIELDS = 1_000_000
_MAX_DIMS = 64
_AT_ONCE = 1 << 22  # bytes of weights


class _FaultError(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its name."""


def check_onnx(file: Path) -> None:
    """Refuse a network that names other files, that claims more than it holds, or whose weights are not finite.

    Raises:
        BundleError: it is such a one, or no ONNX file.
    """
    try:
        if not file.stat().st_size:
            raise _FaultError("is empty")
        _Walk().check(np.memmap(file, np.uint8, "r").data)
    except OSError as error:
        raise BundleError(f"{file.name} can't be read: {error.strerror}; make it readable") from None
    except _FaultError as error:
        raise BundleError(f"{file.name} {error}; make the bundle again") from None


class _Walk:
    """One look through one file, in bounded time and without recursion."""

    def __init__(self) -> None:
        self._left = _MAX_FIELDS

    def check(self, model: memoryview) -> None:
        """Look through all messages that may hold tensors."""
        waiting: list[tuple[Kind, memoryview]] = [("model", model)]
        graphs = 0
        while waiting:
            kind, message = waiting.pop()
            graphs += kind == "graph"
            if kind == "tensor":
                self._check_tensor(message)
                continue
            for number, value in self._fields(message):
                part = _PARTS[kind].get(number)
                if part is not None and isinstance(value, memoryview):
                    waiting.append((part, value))
                elif kind == "node" and number == _NODE_DOMAIN and isinstance(value, memoryview):
                    _check_domain(value)
        if not graphs:
            raise _FaultError("holds no graph, so it is no ONNX network")

    def _check_tensor(self, message: memoryview) -> None:
        name, element, dims = "", 0, []
        values: list[tuple[int, memoryview]] = []
        for number, value in self._fields(message):
            if number == _EXTERNAL or (number == _LOCATION and value != 0):
                raise _FaultError("keeps weights in another file, which a bundle may not")
            if number == _DIMS:
                dims += list(self._numbers(value)) if isinstance(value, memoryview) else [value]
                if len(dims) > _MAX_DIMS:
                    raise _FaultError(f"has a tensor of more than {_MAX_DIMS} dimensions")
            elif number == _TYPE and isinstance(value, int):
                element = value
            elif number == _NAME and isinstance(value, memoryview):
                name = bytes(value[:100]).decode("utf-8", "replace")
            elif (number == _RAW or number in _TYPED) and isinstance(value, memoryview):
                values.append((_TYPED.get(number, 0), value))
        # Four bits are the least that an element takes.
        if math.prod(dims) > 2 * len(message):
            shown = " x ".join(map(str, dims[:4])) + (" x ..." if len(dims) > 4 else "")
            raise _FaultError(f"claims {shown} elements for {name!r}, and holds {len(message):,} bytes")
        if not all(_finite(of or element, value) for of, value in values):
            raise _FaultError(f"holds values that are not finite in {name!r}")

    def _fields(self, message: memoryview) -> Iterator[tuple[int, Value]]:
        """The fields of a message by their numbers: varints as numbers, all others as their bytes."""
        at = 0
        while at < len(message):
            self._count()
            key, at = _varint(message, at)
            wire = key & 7
            if wire == 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            if wire == 2:
                size, at = _varint(message, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise _FaultError("is no ONNX file")
            if size > len(message) - at:
                raise _FaultError("is cut short, or no ONNX file")
            yield key >> 3, message[at : at + size]
            at += size

    def _numbers(self, packed: memoryview) -> Iterator[int]:
        at = 0
        while at < len(packed):
            self._count()
            value, at = _varint(packed, at)
            yield value

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _FaultError(f"has more than {_MAX_FIELDS:,} parts, as no network of a bundle has")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte at a position, and the position after it."""
    value = 0
    for n, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            return value & (1 << 64) - 1, at + n + 1
    raise _FaultError("is cut short, or no ONNX file")


def _check_domain(value: memoryview) -> None:
    """Operators of other domains are a runtime's own, and some of them read files."""
    if bytes(value[:100]) not in _DOMAINS:
        found = bytes(value[:100]).decode("utf-8", "replace")
        raise _FaultError(f"has an operator of the domain {found!r}, expected ONNX's own")


def _finite(element: int, data: memoryview) -> bool:
    """Whether numbers of an element type are finite; those of types that have no others are."""
    if element not in _EXPONENTS:
        return True
    form, exponent = _EXPONENTS[element]
    if len(data) % np.dtype(form).itemsize:
        raise _FaultError("is cut short, or no ONNX file")
    parts = (np.frombuffer(data[start : start + _AT_ONCE], form) for start in range(0, len(data), _AT_ONCE))
    return not any(((bits & exponent) == exponent).any() for bits in parts)
