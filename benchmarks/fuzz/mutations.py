"""Strategies that damage sound input: bytes flipped, cut, moved and spliced, and JSON with other things in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["edited_json", "mutated"]

_EDGES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff" * 8)
_NUMBERS = (0, -1, 1 << 31, 1 << 63, 1 << 64, 10**30, -(10**400), 1e308, -0.0, 1e-320)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, damaged in one to six places."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.integers(0, 6))
        at = draw(st.integers(0, max(0, len(data) - 1)))
        if kind == 0 and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == 1:
            value = draw(st.sampled_from(_EDGES))
            data[at : at + len(value)] = value
        elif kind == 2:
            data[at : at + draw(st.integers(1, 64))] = b""
        elif kind == 3:
            data[at:at] = draw(st.binary(max_size=32))
        elif kind == 4:
            other = draw(st.sampled_from(seeds))
            start = draw(st.integers(0, len(other)))
            data[at : at + draw(st.integers(0, 64))] = other[start : start + draw(st.integers(0, 256))]
        elif kind == 5:
            start = draw(st.integers(0, len(data)))
            data[at:at] = data[start : start + draw(st.integers(1, 256))]
        elif draw(st.integers(0, 3)) == 0:
            del data[at:]
    return bytes(data)


_LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from(_NUMBERS)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@st.composite
def edited_json(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds' JSON with one to three values replaced, added, or taken away."""
    value = copy.deepcopy(json.loads(draw(st.sampled_from(seeds))))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        holder, key = draw(st.sampled_from(places))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(_VALUES)
        else:
            holder[key] = draw(_VALUES)
        if not value:
            break
    return json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with every key that it has."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys = list(each) if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else []
        for key in keys:
            found.append((each, key))
            waiting.append(each[key])
    return found
