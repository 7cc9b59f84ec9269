"""The colours of labels, the same on the live page, in reports and in annotated videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Colour", "colours_of"]


@dataclass(frozen=True)
class Colour:
    """`#rrggbb` on a light ground and on a dark one; each stands out from it by a contrast of at least 4.5 (WCAG 2)."""

    on_light: str
    on_dark: str


_OF_EMOTIONS = {
    "anger": Colour("#b3261e", "#ff8478"),
    "disgust": Colour("#4d6b12", "#a9cf5b"),
    "fear": Colour("#6a3cb0", "#bda4ff"),
    "joy": Colour("#8a5f00", "#ffd166"),
    "sadness": Colour("#155a94", "#74bcff"),
    "surprise": Colour("#b01760", "#ff93c6"),
    "neutral": Colour("#55616d", "#b4bfca"),
    "contempt": Colour("#00695c", "#5fd0be"),
}


def colours_of(labels: Sequence[str]) -> list[Colour]:
    """A colour for each label; those that are no such emotion take in turn what the others leave."""
    left = [colour for name, colour in _OF_EMOTIONS.items() if name not in labels] or list(_OF_EMOTIONS.values())
    others = [label for label in labels if label not in _OF_EMOTIONS]
    of_others = {label: left[place % len(left)] for place, label in enumerate(others)}
    return [_OF_EMOTIONS.get(label) or of_others[label] for label in labels]
