"""Crops of a still face as a camera might have seen it: moved, in other light, blurred, noisy, compressed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import LEFT_EYE, RIGHT_EYE, similarity
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH
from emostream.trainer.stills.pictures import Picture

__all__ = ["moving_clip", "varied_crop"]

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator

# How far the crop of a followed face strays from one frame to the next, measured with the tracker on people who talk
# or smile to a camera (0.8 to 1.9 pixels of the crop, 0.9 to 1.7 degrees, 1.9 to 3.8 %, half of it their own motion).
_JITTER_PIXELS, _JITTER_DEGREES, _JITTER_SIZE = 0.9, 0.9, 0.016
_DRIFT = 1.5  # pixels that a head may turn away in the course of a clip
# How far eyes are from where they were looked for, in pixels of the crop: 3 and 0.8 pixels of 48.
_UNSEEN_PIXELS, _SEEN_PIXELS = 9.0, 2.5
_DEGREES, _SIZE = 5.0, 0.07
_MOUTH_TOP, _MOUTH_BOTTOM = 100.0, 118.0  # rows of the crop; a mouth lies an eye distance below the eyes
_WIDEST = 6.0  # rows that speech opens the mouth
_NOISES = 64

_ROWS, _COLUMNS = np.mgrid[0:CROP_HEIGHT, 0:CROP_WIDTH].astype(np.float32)
_BELOW = np.clip((_ROWS - _MOUTH_TOP) / (_MOUTH_BOTTOM - _MOUTH_TOP), 0, 1) * np.exp(
    -(((_COLUMNS - CROP_WIDTH / 2) / 30.0) ** 2)
).astype(np.float32)
_EYES = complex(LEFT_EYE[0] + RIGHT_EYE[0], LEFT_EYE[1] + RIGHT_EYE[1]) / 2


@dataclass(frozen=True)
class _Pose:
    """How a crop differs from the aligned one: shift in its pixels, turn in degrees, logarithm of its size."""

    shift: complex
    degrees: float
    size: float
    mouth: float = 0.0  # rows that it opens


def varied_crop(picture: Picture, rng: Rng) -> Image:
    """One crop of a face, uint8 [150, 110, 3], RGB (grey): another pose, light, sharpness, noise, compression."""
    return np.asarray(_seen(picture, [_stance(picture, rng)], rng)[0], np.uint8)


def moving_clip(picture: Picture, rng: Rng) -> Image:
    """A clip of a face that sways, is followed with jitter and may talk; its expression stays.

    Returns:
        uint8 [16, 150, 110, 3], RGB (grey); one light, sharpness and compression for all frames.
    """
    first = _stance(picture, rng)
    drift = complex(*rng.normal(0, _DRIFT, 2))
    jitter = rng.normal(0, (_JITTER_PIXELS, _JITTER_PIXELS, _JITTER_DEGREES, _JITTER_SIZE), (CLIP_FRAMES, 4))
    talk = np.zeros(CLIP_FRAMES)
    if rng.random() < 0.5:
        phase, cycles = rng.uniform(0, np.pi), rng.uniform(1.0, 3.0)
        talk = rng.uniform(1.0, _WIDEST) * np.abs(np.sin(phase + np.pi * cycles * np.arange(CLIP_FRAMES) / CLIP_FRAMES))
    poses = [
        _Pose(first.shift + drift * frame / CLIP_FRAMES + complex(x, y), first.degrees + turn, first.size + size, mouth)
        for frame, ((x, y, turn, size), mouth) in enumerate(zip(jitter.tolist(), talk.tolist(), strict=True))
    ]
    return _seen(picture, poses, rng)


def _stance(picture: Picture, rng: Rng) -> _Pose:
    reach = _SEEN_PIXELS if picture.seen else _UNSEEN_PIXELS
    return _Pose(complex(*rng.normal(0, reach / 2, 2)), rng.normal(0, _DEGREES), rng.normal(0, _SIZE))


def _seen(picture: Picture, poses: list[_Pose], rng: Rng) -> Image:
    image, eyes = picture.image, picture.eyes
    if rng.random() < 0.5:
        last = image.shape[1] - 1
        image, eyes = image[:, ::-1], ((last - eyes[1][0], eyes[1][1]), (last - eyes[0][0], eyes[0][1]))
    if rng.random() < 0.2:
        image = _compressed(image, int(rng.integers(30, 90)))
    a, b = similarity(eyes)
    frames = np.stack([_warped(image, a, b, pose) for pose in poses])
    frames = _lit(frames, rng)
    if rng.random() < 0.15:
        sigma = rng.uniform(0.5, 2.5)
        frames = np.stack([np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma)) for frame in frames])
    if rng.random() < 0.15:
        frames = _noisy(frames, rng.uniform(2.0, 10.0), rng)
    return np.repeat(frames[..., None], 3, axis=3)


def _warped(image: Image, a: complex, b: complex, pose: _Pose) -> Image:
    """The crop at a pose, uint8 [150, 110]."""
    turn = np.exp(pose.size + 1j * np.radians(pose.degrees))
    # From a pixel of the crop back to the picture: first to the aligned crop, then to the picture.
    scale = 1 / (turn * a)
    origin = (_EYES - (_EYES + pose.shift) / turn - b) / a
    if not pose.mouth:
        inverse = np.array([[scale.real, -scale.imag, origin.real], [scale.imag, scale.real, origin.imag]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (CROP_WIDTH, CROP_HEIGHT)
        return np.asarray(cv2.warpAffine(image, inverse, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    rows = _ROWS - np.float32(pose.mouth) * _BELOW
    x = np.float32(scale.real) * _COLUMNS - np.float32(scale.imag) * rows + np.float32(origin.real)
    y = np.float32(scale.imag) * _COLUMNS + np.float32(scale.real) * rows + np.float32(origin.imag)
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _lit(frames: Image, rng: Rng) -> Image:
    """Brighter or darker, flatter or harder, and from one side."""
    gamma, gain, bias = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.2)), rng.normal(0, 20)
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip((levels - 128) * gain + 128 + bias, 0, 255).astype(np.uint8)
    frames = table[frames]
    if rng.random() < 0.2:
        angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.45)
        slope = (np.cos(angle) * (_COLUMNS / CROP_WIDTH - 0.5) + np.sin(angle) * (_ROWS / CROP_HEIGHT - 0.5)) * 2
        frames = np.clip(frames * (1 + depth * slope), 0, 255).astype(np.uint8)
    return frames


def _noisy(frames: Image, deviation: float, rng: Rng) -> Image:
    noise = rng.standard_normal((CROP_HEIGHT + _NOISES, CROP_WIDTH + _NOISES), dtype=np.float32) * deviation
    places = rng.integers(0, _NOISES, (len(frames), 2))
    windows = np.stack([noise[y : y + CROP_HEIGHT, x : x + CROP_WIDTH] for y, x in places])
    return np.clip(frames + windows, 0, 255).astype(np.uint8)


def _compressed(image: Image, quality: int) -> Image:
    _, code = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
