"""The figures of a starter's training with everything that plots need: where they are."""

from __future__ import annotations

__all__ = ["FINDINGS"]

FINDINGS = "findings.json"
"""Name of the file in the folder of what is unfinished."""
