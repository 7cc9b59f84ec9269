"""The least of the last values."""

from __future__ import annotations

from collections import deque

__all__ = ["RunningMinimum"]


class RunningMinimum:
    """The least value of the last ones, at a cost that does not grow with their number."""

    def __init__(self, span: float) -> None:
        """Keep values for `span`, in the measure of their positions."""
        self._span = span
        # Positions and values both rise: a value with a lesser one after it can never be the least again.
        self._kept: deque[tuple[float, float]] = deque()

    def push(self, position: float, value: float) -> None:
        """Take in a value; those at `position - span` and before leave."""
        while self._kept and self._kept[-1][1] >= value:
            self._kept.pop()
        self._kept.append((position, value))
        while self._kept[0][0] <= position - self._span:
            self._kept.popleft()

    @property
    def value(self) -> float:
        """The least one; there must have been one."""
        return self._kept[0][1]
