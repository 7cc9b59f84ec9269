"""What cameras do to pictures: little light, too much of it, blur, noise, compression, casts of colour."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Image

__all__ = ["blurred", "compressed", "dimmed", "noisy", "overexposed", "side_lit", "through_a_camera", "toned"]

_Change = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating]]  # of levels, 0 to 255


def dimmed(image: Image, rng: np.random.Generator, gain: float) -> Image:
    """Little light: `gain` of it, with the noise of a sensor that is short of it."""
    dark = _levels(image, lambda v: v * gain)
    return noisy(dark, rng, rng.uniform(1.0, 5.0))


def overexposed(image: Image, rng: np.random.Generator) -> Image:
    """Too much light: bright parts become white."""
    gain, lift = rng.uniform(1.2, 2.0), rng.uniform(0, 30)
    return _levels(image, lambda v: v * gain + lift)


def toned(image: Image, rng: np.random.Generator) -> Image:
    """Another contrast, brightness and gamma."""
    gamma, gain = np.exp(rng.normal(0, 0.25)), rng.uniform(0.8, 1.2)
    lift = rng.uniform(-20, 20)
    return _levels(image, lambda v: 255 * (v / 255) ** gamma * gain + lift)


def noisy(image: Image, rng: np.random.Generator, deviation: float) -> Image:
    """With noise of a standard deviation of so many levels."""
    noise = np.empty(image.shape, np.int16)
    cv2.setRNGSeed(int(rng.integers(1 << 30)))
    cv2.randn(noise, np.zeros(3), np.full(3, deviation))
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), dtype=np.uint8)


def blurred(image: Image, rng: np.random.Generator, most: float = 1.8) -> Image:
    """Out of focus, or moved."""
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, most)), dtype=np.uint8)
    length = int(rng.integers(2, 2 + round(3 * most)))
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = rng.normal(size=2)
    reach *= middle / np.hypot(*reach)
    start, end = np.round(middle - reach).astype(int), np.round(middle + reach).astype(int)
    cv2.line(kernel, tuple(int(v) for v in start), tuple(int(v) for v in end), 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.uint8)


def compressed(image: Image, quality: int) -> Image:
    """Sent as JPEG of a quality of 1 to 100."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def side_lit(image: Image, rng: np.random.Generator) -> Image:
    """Light that falls from one side."""
    height, width = image.shape[:2]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.9)
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    slope = x[None] * np.cos(angle, dtype=np.float32) + y[:, None] * np.sin(angle, dtype=np.float32)
    gain = 1.1 - depth * np.clip(slope * rng.uniform(0.6, 2.0) + 0.5, 0, 1)
    return np.asarray(cv2.multiply(image, cv2.merge([gain.astype(np.float32)] * 3), dtype=cv2.CV_8U), dtype=np.uint8)


def through_a_camera(image: Image, rng: np.random.Generator) -> Image:
    """A bit of everything, by chance; most pictures get little."""
    if rng.random() < 0.15:
        image = np.asarray(cv2.merge([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)] * 3), dtype=np.uint8)
    elif rng.random() < 0.3:
        gains = rng.uniform(0.75, 1.25, size=3)
        image = np.asarray(cv2.LUT(image, _table(lambda v: v[:, None] * gains)), dtype=np.uint8)
    if rng.random() < 0.3:
        image = blurred(image, rng, 1.2)
    chance = rng.random()
    if chance < 0.2:
        image = dimmed(image, rng, float(np.exp(rng.uniform(np.log(0.07), np.log(0.6)))))
    elif chance < 0.28:
        image = overexposed(image, rng)
    elif chance < 0.6:
        image = toned(image, rng)
    if rng.random() < 0.3:
        image = noisy(image, rng, rng.uniform(1.0, 10.0))
    if rng.random() < 0.4:
        image = compressed(image, int(rng.integers(25, 95)))
    return image


def _table(change: _Change) -> Image:
    table = np.clip(change(np.arange(256, dtype=np.float32)), 0, 255).astype(np.uint8)
    return np.asarray(table.reshape(256, 1, -1), dtype=np.uint8)


def _levels(image: Image, change: _Change) -> Image:
    return np.asarray(cv2.LUT(image, _table(change)), dtype=np.uint8)
