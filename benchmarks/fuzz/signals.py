"""Damaged recordings, and sound at impossible times."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.mutations import mutated
from benchmarks.fuzz.seeds import media_files
from benchmarks.fuzz.target import Case, Target, scratch, taken
from emostream.engines.errors import SourceError
from emostream.engines.frontend.grid import seconds, segment_end
from emostream.engines.frontend.placement import AudioPlacer
from emostream.engines.frontend.segmenter import Segmenter
from emostream.engines.media.audio import AudioBlock, MonoResampler
from emostream.engines.media.container import Contents
from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline.clock import LiveClock

__all__ = ["FRONTEND", "MEDIA"]


@cache
def _seed_media() -> dict[str, bytes]:
    folder = scratch() / "media"
    folder.mkdir()
    return {file.suffix: file.read_bytes() for file in media_files(folder)}


def _media_cases() -> st.SearchStrategy[Case]:
    one = [st.tuples(st.just(suffix), mutated([data])) for suffix, data in _seed_media().items()]
    mixed = st.tuples(st.sampled_from(sorted(_seed_media())), mutated(list(_seed_media().values())))
    return st.one_of(*one, mixed)


def _check_media(suffix: str, data: bytes) -> bool:
    """Tracks give finite, rising times and sound that is finite or is refused."""
    file = scratch() / f"input{suffix}"
    file.write_bytes(data)
    return taken(lambda: _decode(str(file)), SourceError)


def _decode(path: str) -> None:
    contents = Contents.of(path)
    if contents.audio:
        with AudioTrack(path) as audio:
            for block in audio:
                assert np.isfinite([block.t, block.end]).all(), f"a block at {block.t}"
                assert block.samples.ndim == 1, f"samples of shape {block.samples.shape}"
    if contents.video:
        with VideoTrack(path) as video:
            last = float("-inf")
            for frame in video:
                assert last < frame.t < float("inf"), f"a frame at {frame.t} after {last}"
                assert frame.image.ndim == 3, f"a picture of shape {frame.image.shape}"
                assert frame.image.shape[2] == 3, f"a picture of shape {frame.image.shape}"
                last = frame.t


def _frontend_cases() -> st.SearchStrategy[Case]:
    step = st.floats(-3.0, 3.0) | st.sampled_from([0.02, 0.0, -1e6, 30.0])
    block = st.tuples(step, st.integers(0, 2000), st.booleans(), st.sampled_from([0.0, 1.0, -1e30, 1e39, float("nan")]))
    return st.tuples(st.lists(block, max_size=20))


def _check_frontend(blocks: list[tuple[float, int, bool, float]]) -> bool:
    """Blocks at any times, of any lengths and levels, give segments in order with finite inputs."""
    segmenter, clock, resampler = Segmenter(audio=True, video=False), LiveClock(0.0, 0.0), MonoResampler(SAMPLE_RATE)
    placer = AudioPlacer(segmenter, clock)
    t = 0.0

    def cut() -> None:
        index = segmenter.next_index
        segment = segmenter.cut()
        assert segment.index == index == segmenter.next_index - 1
        assert segment.mel is None or np.isfinite(segment.mel).all(), "a mel that is not finite"

    for step, size, lost, level in blocks:
        t += step
        while clock.to_grid(t) > seconds(segment_end(segmenter.next_index)) + 2.0:  # as every caller does
            cut()
        with np.errstate(over="ignore"):
            samples = resampler.push(np.full((size, 1), level, np.float32))
        placer.place(AudioBlock(t, samples, lost))
        while segmenter.audio_end >= segment_end(segmenter.next_index):
            cut()
    return True


MEDIA = Target(
    "damaged mp4, mkv, wav, ogg and mjpeg, decoded whole",
    _media_cases,
    _check_media,
    lambda: list(_seed_media().items()),
    native=True,
)

FRONTEND = Target(
    "blocks of sound at any times and of any length and level",
    _frontend_cases,
    _check_frontend,
    lambda: [([(0.02, 320, False, 0.0)] * 100,)],
)
