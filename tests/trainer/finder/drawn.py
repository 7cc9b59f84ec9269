"""A folder of photographs as `emostream-train finder` takes it, with drawn people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

PEOPLE, BACKGROUNDS, STAMPS = 40, 24, 30


def drawn_face(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A round face with eyes and a mouth, and its row: box, five points, score."""
    image = rng.integers(60, 120, (side, side, 3), dtype=np.uint8)
    unit = side / 160
    cv2.ellipse(
        image,
        (round(80 * unit), round(80 * unit)),
        (round(40 * unit), round(52 * unit)),
        0,
        0,
        360,
        (150, 170, 210),
        -1,
    )
    points = np.array([[64, 70], [96, 70], [80, 86], [68, 106], [92, 106]], np.float32) * unit
    for x, y in points[:2]:
        cv2.circle(image, (round(float(x)), round(float(y))), max(1, round(5 * unit)), (30, 30, 30), -1)
    cv2.line(
        image, points[3].astype(int).tolist(), points[4].astype(int).tolist(), (60, 60, 140), max(1, round(4 * unit))
    )
    return image, np.concatenate([np.array([40, 28, 80, 104]) * unit, points.ravel(), [0.9]]).astype(np.float32)


def write_photos(folder: Path) -> None:
    """Drawn people, noise for backgrounds, and stamps like FER2013's."""
    rng = np.random.default_rng(1)
    for name in ("faces_in_photos", "no_faces", "ferplus"):
        (folder / name).mkdir()
    rows = []
    for index in range(2 * PEOPLE):
        image, row = drawn_face(rng, 160)
        cv2.imwrite(str(folder / "faces_in_photos" / f"{index:04d}.jpg"), image)
        rows.append(np.concatenate([[index], row]))
    np.savez(
        folder / "faces_in_photos" / "yunet.npz",
        rows=np.array(rows, np.float32),
        person=np.repeat(np.arange(PEOPLE, dtype=np.int32), 2),
    )
    for index in range(BACKGROUNDS):
        noise = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "no_faces" / f"{index}.jpg"), cv2.resize(noise, (240, 180)))
    stamps, faces = zip(*(drawn_face(rng, 48) for _ in range(STAMPS)), strict=True)
    grey = np.array([each[:, :, 0] for each in stamps])
    split = np.array([0] * (STAMPS - 6) + [1] * 3 + [2] * 3, np.uint8)
    grey[0] = grey[-1]  # a training picture that is a test picture, too
    np.savez(folder / "fer2013.npz", images=grey, split=split)
    np.savez(folder / "ferplus" / "fer2013_yunet.npz", faces=np.array(faces))
