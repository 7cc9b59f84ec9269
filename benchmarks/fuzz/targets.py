"""What is fuzzed: for each target how its inputs are made, and what may come of them.

The tests run a few examples of each, `python -m benchmarks.fuzz` as many as one likes.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.mutations import edited_json, mutated
from benchmarks.fuzz.seeds import media_files, tiny_bundle, zipped
from engines.backends.base import Batch
from engines.backends.onnxruntime import OnnxRuntimeEngine
from engines.backends.openvino import OpenVinoEngine
from engines.bundle import Bundle, Manifest, write_manifest
from engines.errors import BundleError, ConfigError, EmostreamError, EngineError, EventError, SourceError
from engines.frontend.grid import seconds, segment_end
from engines.frontend.placement import AudioPlacer
from engines.frontend.segmenter import Segmenter
from engines.frontend.settings import SAMPLE_RATE
from engines.media.audio import AudioBlock, MonoResampler
from engines.media.container import Contents
from engines.media.track import AudioTrack, VideoTrack
from streamer import events
from streamer.config_file import read_config_file
from streamer.stages.clock import LiveClock

__all__ = ["TARGETS", "Case", "Target"]

Case = tuple[Any, ...]
_MAX_MESSAGE = 2000


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote.

    Attributes:
        about: what it is, in a few words.
        cases: makes inputs.
        check: runs on one; whether it was taken. Raises what must not come out.
        sound: inputs that have to be taken.
        native: whether it hands the input to native code that may end the process.
    """

    about: str
    cases: Callable[[], st.SearchStrategy[Case]]
    check: Callable[..., bool]
    sound: Callable[[], list[Case]]
    native: bool = False


def _refused(work: Callable[[], object], *expected: type[EmostreamError]) -> bool:
    """Run something that may fail with one line of an expected kind; whether it did not."""
    try:
        work()
    except expected as error:
        message = str(error)
        assert message, "an error without a message"
        assert "\n" not in message, f"an error of several lines: {message!r}"
        assert len(message) < _MAX_MESSAGE, f"an error of {len(message)} characters"
        return False
    return True


@cache
def _scratch() -> Path:
    """A folder for this process's inputs, which its exit removes."""
    return Path(_keep(tempfile.TemporaryDirectory(prefix="emostream-fuzz-")).name)


_kept: list[Any] = []


def _keep(thing: Any) -> Any:
    _kept.append(thing)
    return thing


@cache
def _seed_bundle() -> Path:
    return tiny_bundle(_scratch() / "seed")


@cache
def _seed_files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in _seed_bundle().iterdir()}


def _fresh(name: str) -> Path:
    """A copy of the seed bundle to damage."""
    folder = _scratch() / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_seed_bundle(), folder)
    return folder


# Bundles


@st.composite
def _heads(draw: st.DrawFn) -> bytes:
    """heads.npz with one of its arrays damaged, packed soundly."""
    with zipfile.ZipFile(io.BytesIO(_seed_files()["heads.npz"])) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    chosen = draw(st.sampled_from(sorted(arrays)))
    arrays[chosen] = draw(mutated(list(arrays.values())))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _bundle_cases() -> st.SearchStrategy[Case]:
    files = _seed_files()
    zips = [zipped(_seed_bundle()), zipped(_seed_bundle(), zipfile.ZIP_STORED)]
    networks = [data for name, data in files.items() if name.endswith(".onnx")]
    manifest = [files["manifest.json"]]
    return st.one_of(
        st.tuples(st.just(".zip"), mutated(zips)),
        st.tuples(st.just("manifest.json"), edited_json(manifest) | mutated(manifest)),
        st.tuples(st.just("heads.npz"), mutated([files["heads.npz"]]) | _heads()),
        st.tuples(st.sampled_from(["audio.onnx", "video.onnx", "fusion.onnx"]), mutated(networks)),
    )


def _check_bundle(name: str, data: bytes) -> bool:
    if name == ".zip":
        file = _scratch() / "bundle.zip"
        file.write_bytes(data)
        return _refused(lambda: shutil.rmtree(Bundle.load(file).folder), BundleError)
    return _refused(lambda: Bundle.load(_with(name, data)), BundleError)


def _with(name: str, data: bytes) -> Path:
    """The seed bundle with one file replaced, whose hash the manifest has."""
    folder = _fresh("bundle")
    (folder / name).write_bytes(data)
    if name != "manifest.json":
        write_manifest(folder, msgspec.json.decode(_seed_files()["manifest.json"], type=Manifest))
    return folder


def _network_cases() -> st.SearchStrategy[Case]:
    return st.tuples(st.just("audio.onnx"), mutated([_seed_files()["audio.onnx"]]))


def _check_network(name: str, data: bytes) -> bool:
    """What passes the look through it is loaded and run."""
    folder = _with(name, data)
    bundles: list[Bundle] = []
    if not _refused(lambda: bundles.append(Bundle.load(folder)), BundleError):
        return False
    batch = Batch(np.ones((2, 3, 64, 64), np.float32), np.zeros((0, 16, 150, 110, 3), np.uint8), ())

    def run(make: type[OpenVinoEngine] | type[OnnxRuntimeEngine]) -> bool:
        def embed() -> None:
            with make(bundles[0]) as engine:
                engine.embed(batch)

        return _refused(embed, EngineError)

    openvino, onnxruntime = run(OpenVinoEngine), run(OnnxRuntimeEngine)
    return openvino and onnxruntime


# Events


def _seed_events() -> list[bytes]:
    pools, lost = events.Pools(5, 6, 5), events.Dropped(1, 2, 3.5)
    scores = {"anger": 0.19, "joy": 0.81}
    common: dict[str, Any] = {"stream": "desk", "session": "7b1c", "seq": 4}
    emotion = events.EmotionEvent(
        **common,
        t_start=1795269600.0,
        t_end=1795269600.655,
        media_time=0.655,
        label="joy",
        scores=scores,
        head="fused",
        segment=events.SegmentScores("joy", scores, "fused"),
        utterance=events.UtteranceRef(3, 1795269598.8, pools),
        modalities=events.Modalities(audio=True, video=True),
        reason=events.Reasons(),
        face=(212, 90, 180, 180),
        frame_size=(640, 480),
        dropped=lost,
    )
    utterance = events.UtteranceEvent(
        **common, id=3, t_start=1.0, t_end=2.0, media_time=2.0, label="joy", scores=scores, head="audio", pools=pools,
        segments=7,
    )  # fmt: skip
    return [events.encode(emotion), events.encode(utterance)]


def _event_cases() -> st.SearchStrategy[Case]:
    seeds = _seed_events()
    return st.tuples(st.one_of(st.binary(max_size=200), mutated(seeds), edited_json(seeds)))


def _check_event(message: bytes) -> bool:
    """What is read is written as it was read."""
    found: list[events.Event] = []
    if not _refused(lambda: found.append(events.decode(message)), EventError):
        return False
    (event,) = found
    assert events.decode(events.encode(event)) == event, f"{event} does not survive a round trip"
    events.topic(event)
    return True


# Media


@cache
def _seed_media() -> dict[str, bytes]:
    folder = _scratch() / "media"
    folder.mkdir()
    return {file.suffix: file.read_bytes() for file in media_files(folder)}


def _media_cases() -> st.SearchStrategy[Case]:
    one = [st.tuples(st.just(suffix), mutated([data])) for suffix, data in _seed_media().items()]
    mixed = st.tuples(st.sampled_from(sorted(_seed_media())), mutated(list(_seed_media().values())))
    return st.one_of(*one, mixed)


def _check_media(suffix: str, data: bytes) -> bool:
    """Tracks give finite, rising times and sound that is finite or is refused."""
    file = _scratch() / f"input{suffix}"
    file.write_bytes(data)
    return _refused(lambda: _decode(str(file)), SourceError)


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


# The front end


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


# Configuration files

_CONFIG = b"""publish = "tcp://127.0.0.1:5557"
view = true
duration = 2.5

[streams.desk]
camera = 0
mic = "default"
av-offset-ms = -40.5

[streams.door]
input = "rtsp://user:secret@door.local/stream?token=secret"
"""
_DEEP = b"publish = " + b"[" * 2000 + b"]" * 2000


def _config_cases() -> st.SearchStrategy[Case]:
    words = [b"[streams.x]\n", b"stream = ", b"[[a]]\n", b"{a = 1}", b"1979-05-27T07:32:00Z", b"0x10", b"nan", b"inf"]
    pieces = st.lists(st.sampled_from([*words, *_CONFIG.splitlines(keepends=True)]), max_size=12).map(b"".join)
    return st.tuples(st.one_of(mutated([_CONFIG]), pieces, mutated([*words, _DEEP]), st.binary(max_size=100)))


def _check_config(text: bytes) -> bool:
    file = _scratch() / "emostream.toml"
    file.write_bytes(text)
    return _refused(lambda: read_config_file(file), ConfigError)


TARGETS: dict[str, Target] = {
    "bundle": Target(
        "damaged .zip, manifest, heads and networks, with hashes that fit",
        _bundle_cases,
        _check_bundle,
        lambda: [(".zip", zipped(_seed_bundle())), *_seed_files().items()],
    ),
    "network": Target(
        "damaged networks, loaded and run",
        _network_cases,
        _check_network,
        lambda: [("audio.onnx", _seed_files()["audio.onnx"])],
        native=True,
    ),
    "event": Target(
        "random, damaged and edited messages to a subscriber",
        _event_cases,
        _check_event,
        lambda: [(message,) for message in _seed_events()],
    ),
    "media": Target(
        "damaged mp4, mkv, wav, ogg and mjpeg, decoded whole",
        _media_cases,
        _check_media,
        lambda: list(_seed_media().items()),
        native=True,
    ),
    "frontend": Target(
        "blocks of sound at any times and of any length and level",
        _frontend_cases,
        _check_frontend,
        lambda: [([(0.02, 320, False, 0.0)] * 100,)],
    ),
    "config": Target("damaged configuration files", _config_cases, _check_config, lambda: [(_CONFIG,)]),
}
