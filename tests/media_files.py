"""Small recordings that the tests make, with the quirks of real ones."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_media(
    path: Path,
    *,
    seconds: float = 2.0,
    sound: np.ndarray | None = None,
    rate: int = 16_000,
    pictures: bool = True,
    frame_times: list[float] | None = None,
    sound_at: float = 0.0,
    later: tuple[float, np.ndarray] | None = None,
    rotation: int = 0,
    size: tuple[int, int] = (320, 240),
    aspect: tuple[int, int] = (1, 1),
) -> Path:
    """Write a file with lossless sound, and pictures whose grey level counts the frames.

    Args:
        path: its suffix says the container; `.mkv` takes any times.
        seconds: length of the pictures.
        sound: float32 [n] or [n, channels] at `rate`; None for none.
        rate: Hz.
        pictures: whether there is a video track.
        frame_times: in seconds; 30 a second by default.
        sound_at: when the sound starts, in seconds.
        later: a second stretch of sound, and when it starts.
        rotation: clockwise degrees by which the pictures are to be turned, for `.mp4`.
        size: width and height.
        aspect: width and height of a pixel.
    """
    times = frame_times if frame_times is not None else [n / 30 for n in range(round(30 * seconds))]
    with av.open(str(path), "w") as container:
        video = audio = None
        if pictures:
            video = container.add_stream("libx264" if path.suffix == ".mp4" else "ffv1", rate=30)
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.codec_context.sample_aspect_ratio = Fraction(*aspect)
            video.codec_context.time_base = Fraction(1, 1000)
        if sound is not None:
            samples = sound if sound.ndim == 2 else sound[:, None]
            layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
            codec = {".mp4": "aac", ".wav": "pcm_s16le"}.get(path.suffix, "pcm_f32le")
            audio = container.add_stream(codec, rate=rate, layout=layout)
        if video is not None:
            for n, t in enumerate(times):
                image = np.full((size[1], size[0], 3), 50 + (n * 3) % 200, np.uint8)
                image[: size[1] // 4, : size[0] // 4] = 255  # marks the top left corner
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = round(1000 * t), Fraction(1, 1000)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if audio is not None:
            step = 1024
            stretches = [(sound_at, samples)] + ([(later[0], later[1][:, None])] if later else [])
            for start, stretch in stretches:
                for first in range(0, stretch.shape[0], step):
                    part = np.ascontiguousarray(stretch[first : first + step].reshape(1, -1), np.float32)
                    frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
                    frame.rate, frame.time_base = rate, Fraction(1, rate)
                    frame.pts = first + round(start * rate)
                    container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    if rotation:
        _rotate(path, rotation)
    return path


def _rotate(path: Path, clockwise: int) -> None:
    """Write the turn into the MP4's track header, as phones do (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    one = 1 << 16
    turns = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}
    a, b, c, d = turns[clockwise]
    matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    start = header + 4 + 4 + 20 + 8 + 8  # version, times and ids, reserved, layer to volume
    for n, value in enumerate(matrix):
        data[start + 4 * n : start + 4 * n + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(bytes(data))
