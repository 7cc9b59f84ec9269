"""`emostream-train evaluate`: how good a bundle is on a data set."""

from __future__ import annotations

__all__ = ["evaluate"]


def evaluate() -> None:
    """TODO."""
