"""What is fuzzed, by name.

The tests run a few examples of each, `python -m benchmarks.fuzz` as many as one likes.
"""

from __future__ import annotations

from benchmarks.fuzz.bundles import BUNDLE, NETWORK
from benchmarks.fuzz.recordings import RECORDING
from benchmarks.fuzz.signals import FRONTEND, MEDIA
from benchmarks.fuzz.target import Target
from benchmarks.fuzz.texts import CONFIG, EVENT, REPLAY

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    "bundle": BUNDLE,
    "network": NETWORK,
    "event": EVENT,
    "replay": REPLAY,
    "media": MEDIA,
    "frontend": FRONTEND,
    "config": CONFIG,
    "recording": RECORDING,
}
