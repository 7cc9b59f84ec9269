"""Colours of labels stand out and differ."""

from __future__ import annotations

import pytest

from emostream.streamer.colours import colours_of

STARTER = ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"]


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (c / 255 for c in bytes.fromhex(colour[1:]))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("labels", [STARTER, ["class-1", "class-2", "joy"], [f"class-{n}" for n in range(30)]])
def test_they_stand_out_from_their_ground(labels):
    for colour in colours_of(labels):
        assert contrast(colour.on_light, "#ffffff") >= 4.5
        assert contrast(colour.on_dark, "#1b2128") >= 4.5


def test_each_label_has_its_own_while_there_are_enough():
    assert len(set(colours_of(STARTER))) == 7
    assert len(set(colours_of(["x", *STARTER]))) == 8
    assert colours_of(["joy", "x"])[0] == colours_of(["x", "y", "joy"])[2]
    assert len(colours_of([])) == 0
