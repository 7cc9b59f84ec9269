"""Segments on disk: what is read back is what was cut, whatever happens to the files in between."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import shutil
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import psutil
import pytest

from emostream.engines.errors import DataError, SourceError
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.logmel import log_mel, mel_input
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.offline import OfflineRecording
from emostream.engines.settings import SEGMENT_SAMPLES, SHIFT_SAMPLES
from emostream.trainer.actors.clip import Line, write_clip
from emostream.trainer.segments import store as store_module
from emostream.trainer.segments.store import SEGMENT_WINDOW, SHORT_WINDOW, Segments, SegmentStore

CROP_BYTES = 150 * 110 * 3
# The voice ends while the face is there, and the face leaves before the end.
SCRIPT = (Line("joy", 1.2), Line("joy", 0.6, speaking=False), Line("joy", 1.0, speaking=False, face=False))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("clips") / "actor.mp4"
    write_clip(file, actor=1, script=SCRIPT, size=(160, 120))
    return file


@pytest.fixture(scope="module")
def cut(clip: Path) -> tuple[list[Segment], float]:
    """What the front end gives, and the length."""
    with OfflineRecording(str(clip), ViolaJones()) as recording:
        return list(recording), recording.length_s


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, cut: tuple[list[Segment], float]) -> SegmentStore:
    """The clip under the key `clip`; tests copy it before they damage it."""
    store = SegmentStore(tmp_path_factory.mktemp("cache"), "detector")
    store.write("clip", cut[0], lambda: cut[1])
    return store


@pytest.fixture
def copied(tmp_path: Path, written: SegmentStore) -> SegmentStore:
    shutil.copytree(written.folder, tmp_path / "copy")
    return SegmentStore(tmp_path / "copy", "detector")


def loaded(store: SegmentStore, key: str = "clip") -> Segments:
    found = store.load(key)
    assert found is not None
    return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def made_up(faces: str, *, sound: bool = True, pictures: bool = True) -> Iterator[Segment]:
    """Segments of noise; of each letter in `faces`: `f` a face, `-` none, `s` one seen in few frames only."""
    rng = np.random.default_rng(5)
    samples = rng.standard_normal(SHIFT_SAMPLES * (len(faces) - 1) + SEGMENT_SAMPLES).astype(np.float32)
    crops = rng.integers(0, 256, (9 * len(faces) + 20, 150, 110, 3), np.uint8)
    for index, face in enumerate(faces):
        own = samples[index * SHIFT_SAMPLES :][:SEGMENT_SAMPLES]
        first = 9 * index + 2
        ticks = {"f": tuple(range(first, first + 16)), "s": (first,) * 10 + (first + 1,) * 6, "-": ()}[face]
        yield Segment(
            index=index,
            samples=own if sound else None,
            mel=mel_input(own) if sound and index % 2 else None,
            clip=crops[list(ticks)] if ticks else None,
            ticks=ticks,
            audio_reason=(None if index % 2 else "no_voice" if index % 4 else "source_lost") if sound else "off",
            video_reason=None if ticks else "no_face" if pictures else "off",
            speech_first=0,
            speech=(),
            box=None,
            frame_size=None,
        )


def assert_same(found: Segments, expected: list[Segment]) -> None:
    assert len(found) == len(expected)
    for index, segment in enumerate(expected):
        assert found.voiced[index] == (segment.mel is not None)
        assert found.arrived[index] == (segment.audio_reason in (None, "no_voice"))
        assert found.faces[index] == (segment.clip is not None)
        if segment.samples is not None:
            np.testing.assert_array_equal(found.mel(index), mel_input(segment.samples))
        if segment.mel is not None:
            np.testing.assert_array_equal(found.mel(index), segment.mel)
        if segment.clip is not None:
            np.testing.assert_array_equal(found.clip(index), segment.clip)


def test_the_segments_of_a_recording_come_back(cut: tuple[list[Segment], float], written: SegmentStore) -> None:
    expected, length_s = cut
    found = loaded(written)
    assert {(s.mel is not None, s.clip is not None) for s in expected} == {(True, True), (False, True), (False, False)}
    assert_same(found, expected)
    assert found.length_s == length_s == pytest.approx(2.8, abs=0.05)
    assert found.pictures
    assert found.samples.size == SHIFT_SAMPLES * (len(expected) - 1) + SEGMENT_SAMPLES
    assert found.mel_count(SEGMENT_WINDOW) == len(found)
    assert found.clip(0).dtype == np.uint8
    assert found.mel(0).dtype == found.samples.dtype == np.float32


def test_what_writing_returns_is_what_loading_gives(tmp_path: Path) -> None:
    store = SegmentStore(tmp_path, "detector")
    expected = list(made_up("ff-s"))
    returned = store.write("key", expected, lambda: 1.6)
    assert_same(returned, expected)
    found = loaded(store, "key")
    assert (found.key, found.length_s, found.pictures) == (returned.key, returned.length_s, returned.pictures)
    for name in ("samples", "arrived", "voiced", "frames"):
        np.testing.assert_array_equal(getattr(found, name), getattr(returned, name))
        assert getattr(found, name).dtype == getattr(returned, name).dtype
    assert files(tmp_path) == ["key.crops", "key.npz"]


@pytest.mark.parametrize(("faces", "crops"), [("fffff", 52), ("f-sf--fs", 50), ("-", 0)])
def test_every_crop_lies_there_once(tmp_path: Path, faces: str, crops: int) -> None:
    store = SegmentStore(tmp_path, "detector")
    found = store.write("key", made_up(faces), lambda: 3.0)
    assert_same(loaded(store, "key"), list(made_up(faces)))
    assert crops == len({tick for segment in made_up(faces) for tick in segment.ticks})
    assert found.file.stat().st_size == crops * CROP_BYTES


def test_one_track_alone(tmp_path: Path) -> None:
    store = SegmentStore(tmp_path, "detector")
    store.write("seen", made_up("ff", sound=False), lambda: 1.0)
    store.write("heard", made_up("--", pictures=False), lambda: 1.0)
    seen, heard = loaded(store, "seen"), loaded(store, "heard")
    assert_same(seen, list(made_up("ff", sound=False)))
    assert seen.pictures
    assert not seen.samples.size
    assert not seen.arrived.any()
    assert seen.mel_count(SEGMENT_WINDOW) == seen.mel_count(SHORT_WINDOW) == 0
    assert_same(heard, list(made_up("--", pictures=False)))
    assert not heard.pictures
    assert not heard.faces.any()


def test_short_windows_are_librosas(written: SegmentStore) -> None:
    found = loaded(written)
    power = librosa.feature.melspectrogram(
        y=np.concatenate([np.zeros(56), found.samples, np.zeros(56)]).astype(np.float64), sr=16_000, n_fft=512,
        hop_length=160, win_length=400, window="hamming", center=False, n_mels=64, fmin=20, fmax=8000, htk=True,
        norm=None,
    )  # fmt: skip
    expected = np.log(np.maximum(power, 1e-10))
    windows = np.lib.stride_tricks.sliding_window_view(expected, 15, axis=1)[:, ::7]
    assert found.mel_count(SHORT_WINDOW) == windows.shape[1] > 30
    for index in range(windows.shape[1]):
        static, first, second = found.mel(index, SHORT_WINDOW)
        np.testing.assert_allclose(static, windows[:, index], atol=2e-5)
        for lower, higher in ((static, first), (first, second)):  # inside the window: its edge frames are repeated
            np.testing.assert_allclose(
                higher, librosa.feature.delta(lower, width=5, order=1, mode="nearest"), atol=1e-5
            )


def test_short_windows_are_a_direct_cut(written: SegmentStore) -> None:
    found = loaded(written)
    start = 9 * 7 * 160
    direct = log_mel(found.samples[start : start + SEGMENT_SAMPLES])[:, :15]
    window = found.mel(9, SHORT_WINDOW)
    assert window.shape == (3, 64, 15)
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window[0], direct)


@pytest.mark.parametrize(("segments", "windows"), [(1, 8), (2, 12), (3, 16), (4, 20), (5, 25)])
def test_the_number_of_short_windows(tmp_path: Path, segments: int, windows: int) -> None:
    """Of 64 frames 8 windows fit, for 7 * 7 + 15 = 64; each further segment brings 30 frames."""
    found = SegmentStore(tmp_path, "detector").write("key", made_up("-" * segments), lambda: 3.0)
    assert found.mel_count(SHORT_WINDOW) == windows == (64 + 30 * (segments - 1) - 15) // 7 + 1
    assert found.mel_count(SEGMENT_WINDOW) == segments


def test_crops_stay_on_disk(tmp_path: Path) -> None:
    store = SegmentStore(tmp_path, "detector")
    count = 120
    store.write("long", made_up("f" * count), lambda: 40.0)
    assert (tmp_path / "lo" / "long.crops").stat().st_size > 50e6
    tracemalloc.start()
    found = loaded(store, "long")
    last = found.clip(count - 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert last.nbytes == 16 * CROP_BYTES
    assert peak < found.samples.nbytes * 2.5 + 4 * last.nbytes
    assert len(pickle.dumps(found)) < found.samples.nbytes + 100_000  # another process maps them itself


@pytest.mark.skipif(os.name != "posix", reason="counts file descriptors")
def test_a_data_set_may_have_more_recordings_than_a_process_open_files(written: SegmentStore) -> None:
    recordings = [loaded(written) for _ in range(30)]
    before = psutil.Process().num_fds()
    for recording in recordings:
        recording.clip(0)
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize("suffix", ["npz", "crops"])
@pytest.mark.parametrize("keep", [None, 0, 100, -1, -CROP_BYTES])
def test_files_that_are_missing_or_cut_short_are_not_loaded(
    copied: SegmentStore, suffix: str, keep: int | None
) -> None:
    file = copied.folder / "cl" / f"clip.{suffix}"
    if keep is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:keep])
    assert copied.load("clip") is None


def test_crops_that_are_too_many_are_not_loaded(copied: SegmentStore) -> None:
    with (copied.folder / "cl" / "clip.crops").open("ab") as file:
        file.write(bytes(CROP_BYTES))
    assert copied.load("clip") is None


def test_a_damaged_table_is_not_loaded(copied: SegmentStore) -> None:
    """Any byte that is another one: then there are no segments, or those that were written."""
    table = copied.folder / "cl" / "clip.npz"
    content, expected = table.read_bytes(), loaded(copied)
    rng = random.Random(3)
    headers = [at for name in (b"length_s", b"samples") for at in _around(content, name)]
    tail = range(len(content) - 500, len(content), 5)
    places = [*headers, *tail, *rng.sample(range(len(content)), 30)]
    lost = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        table.write_bytes(damaged)
        if (found := copied.load("clip")) is None:
            lost += 1
            continue
        assert found.length_s == expected.length_s
        for name in ("samples", "arrived", "voiced", "frames"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert lost > len(places) / 2


def _around(content: bytes, name: bytes) -> range:
    at = content.index(name)
    return range(at - 30, at + 150)


@pytest.mark.parametrize(("fails", "left"), [(".crops", []), (".npz", ["key.crops"])])
def test_a_full_disk_is_one_error_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, left: list[str]
) -> None:
    class Full(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path: Path, mode: str) -> object:
        assert "w" in mode or "x" in mode
        return io.BufferedWriter(Full(path, "x")) if fails in path.name else open(path, mode)

    store = SegmentStore(tmp_path / "cache", "detector")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", opened)
        with pytest.raises(DataError, match=r"cache: No space left on device; .*--cache") as raised:
            store.write("key", made_up("ff"), lambda: 1.0)
    assert str(tmp_path / "cache") in str(raised.value)
    assert files(tmp_path) == left
    assert store.load("key") is None
    store.write("key", made_up("ff"), lambda: 1.0)  # there is room again
    assert_same(loaded(store, "key"), list(made_up("ff")))
    assert files(tmp_path) == ["key.crops", "key.npz"]


def test_a_folder_that_is_a_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    with pytest.raises(DataError, match=r"segments can't be written to .*cache: .*; name a folder"):
        SegmentStore(tmp_path / "cache", "detector").write("key", made_up("f"), lambda: 1.0)
    assert (tmp_path / "cache").read_text() == "mine"


def test_a_recording_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Segment]:
        yield from made_up("ff")
        raise SourceError("its end is damaged")

    store = SegmentStore(tmp_path, "detector")
    with pytest.raises(SourceError, match="its end is damaged"):
        store.write("key", broken(), lambda: 1.0)
    assert files(tmp_path) == []
    assert store.load("key") is None


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    store = SegmentStore(tmp_path, "detector")

    def killed() -> Iterator[Segment]:
        yield from made_up("ff")
        (part,) = (path for path in (tmp_path / "ke").iterdir() if ".part" in path.suffixes)
        shutil.copy(part, part.with_name(f".old{part.name}"))
        shutil.copy(part, part.with_name(f".new{part.name}"))

    store.write("key", killed(), lambda: 1.0)
    (old,) = tmp_path.rglob(".old.*")
    (new,) = tmp_path.rglob(".new.*")
    os.utime(old, (time.time() - 7200,) * 2)
    for finished in tmp_path.rglob("key.*"):
        os.utime(finished, (time.time() - 7200,) * 2)
    store.sweep()
    assert files(tmp_path) == sorted(["key.crops", "key.npz", new.name])  # the new one may still be written


def test_a_key_follows_content_and_settings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "b.avi").write_bytes(b"one")
    (tmp_path / "c.mp4").write_bytes(b"two")
    store = SegmentStore(tmp_path / "cache", "viola-jones")
    key = store.key(tmp_path / "a.mp4")
    assert store.key(tmp_path / "b.avi") == key
    assert SegmentStore(tmp_path / "elsewhere", "viola-jones").key(tmp_path / "a.mp4") == key
    others = {store.key(tmp_path / "c.mp4"), SegmentStore(tmp_path / "cache", "yunet 1234").key(tmp_path / "a.mp4")}
    monkeypatch.setattr(store_module, "FRONTEND", store_module.FRONTEND | {"mel": "htk-80-20-8000"})
    others.add(SegmentStore(tmp_path / "cache", "viola-jones").key(tmp_path / "a.mp4"))
    assert len(others | {key}) == 4
    assert not (tmp_path / "cache").exists()


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.mp4 can't be read: No such file"):
        SegmentStore(tmp_path, "detector").key(tmp_path / "gone.mp4")
