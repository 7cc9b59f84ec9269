"""The face finder that ships with emostream. Its licence is its own: see `finder.json`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FINDER"]

FINDER = Path(__file__).parent
