"""The bundle that ships with emostream and runs where none is named. Its licence is its own: see the manifest."""

from __future__ import annotations

from pathlib import Path

__all__ = ["STARTER"]

STARTER = Path(__file__).parent
