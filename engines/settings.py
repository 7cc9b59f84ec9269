"""The numbers of the front end (paper, section III-A), which manifests repeat, and the names that options take."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CLIP_FRAMES",
    "CROP_HEIGHT",
    "CROP_WIDTH",
    "ENGINE_PRECISIONS",
    "FACE_DETECTORS",
    "FRONTEND",
    "GRID_FPS",
    "LEVELS",
    "MEL_BANDS",
    "MEL_FRAMES",
    "MEL_HOP",
    "MEL_SHIFT",
    "MEL_WINDOW",
    "PRECISIONS",
    "SAMPLE_RATE",
    "SEGMENT_SAMPLES",
    "SHIFT_SAMPLES",
]

SAMPLE_RATE = 16_000  # Hz

MEL_WINDOW = 400  # samples: 25 ms
MEL_HOP = 160  # samples: 10 ms
MEL_BANDS = 64
MEL_FRAMES = 64  # frames of one segment
MEL_SHIFT = 30  # frames from one segment to the next

SEGMENT_SAMPLES = MEL_HOP * (MEL_FRAMES - 1) + MEL_WINDOW  # 10,480: 655 ms
SHIFT_SAMPLES = MEL_HOP * MEL_SHIFT  # 4,800: 300 ms

GRID_FPS = 30  # frames a second on the video grid
CLIP_FRAMES = 16
CROP_HEIGHT = 150  # pixels
CROP_WIDTH = 110  # pixels

FRONTEND: dict[str, Any] = {
    "sample_rate": SAMPLE_RATE,
    "mel": "htk-64-20-8000",
    "mel_frames": MEL_FRAMES,
    "mel_shift": MEL_SHIFT,
    "clip_frames": CLIP_FRAMES,
    "clip_fps": GRID_FPS,
    "crop": [CROP_HEIGHT, CROP_WIDTH],
    "eyes": [[27.5, 50.0], [82.5, 50.0]],
}

ENGINE_PRECISIONS: dict[str, tuple[str, ...]] = {
    "openvino": ("fp32", "bf16", "int8"),
    "onnxruntime": ("fp32",),
    "tensorrt": ("fp16",),
}
"""The inference backends by name, with what each computes in; `engines/backends/choose.py` makes them."""

PRECISIONS = ("fp32", "bf16", "fp16", "int8")

FACE_DETECTORS = ("viola-jones", "yunet", "finder")
"""The face detectors by name; `engines/frontend/detectors/choose.py` makes them."""

LEVELS = ("none", "segment")
"""How a bundle takes out a voice's level (`level` in its manifest): not, or by each segment's mean and deviation."""
