"""The one name of each emotion, whatever word a data set uses for it."""

from __future__ import annotations

__all__ = ["emotion_of"]

_WORDS = {
    "anger": ("angry",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid"),
    "joy": ("joyful", "happy", "happiness"),
    "sadness": ("sad",),
    "surprise": ("surprised",),
    "neutral": (),
    "calm": (),
    "boredom": ("bored",),
    "bothered": (),
    "concentrating": (),
    "contempt": (),
    "interest": ("interested",),
    "thinking": (),
    "unsure": (),
}
_EMOTIONS = {word: emotion for emotion, words in _WORDS.items() for word in (emotion, *words)}


def emotion_of(word: str) -> str | None:
    """The emotion that a word names, in any case; None for a word that names none."""
    return _EMOTIONS.get(word.strip().lower())
