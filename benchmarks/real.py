"""The real recordings beside the checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["REAL_CLIPS", "REAL_DATA", "VIDEO_SUFFIXES"]

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_CLIPS = REAL_DATA / "clips"
VIDEO_SUFFIXES = {".avi", ".mkv", ".mov", ".mp4", ".webm"}
