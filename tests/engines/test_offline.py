"""A recording cut at once: the same segments as the streamer's, whatever its tracks do."""

from __future__ import annotations

import numpy as np
import pytest

from emostream.engines.errors import SourceError
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.grid import segment_count
from emostream.engines.offline import OfflineRecording
from tests.media_files import write_media
from tests.offline import assert_same_as_streamed
from tests.streamer.running import demo_clip, emotions, events_of


@pytest.fixture(scope="module")
def sound():
    return (0.1 * np.random.default_rng(3).standard_normal(16_000 * 3)).astype(np.float32)


def streamed(file, bundle_folder):
    return emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))


def test_the_actor(tmp_path, bundle_folder):
    file = demo_clip(tmp_path)
    assert_same_as_streamed(file, bundle_folder, streamed(file, bundle_folder))


@pytest.mark.parametrize(
    "options",
    [
        {"seconds": 0.4, "length": 0.4},  # shorter than a segment: one, padded
        {"seconds": 2.0, "sound_at": 0.7, "length": 3.7},  # the sound begins and ends later
        {"pictures": False, "later": 5.0, "length": 5.5},  # a gap in the sound
        {"pictures": False, "later": 30.0, "length": 30.5},  # longer than what is kept of it
        {"frame_times": [0.0, 0.1, 0.13, 0.9, 2.5], "length": 3.0},
    ],
)
def test_uneven_tracks(tmp_path, bundle_folder, sound, options):
    options = dict(options)
    length, later = options.pop("length"), options.pop("later", None)
    part = sound[: int(16_000 * length)] if length < 1 else sound
    extra = (later, sound[:8000]) if later else None
    file = write_media(tmp_path / "clip.mkv", sound=part, later=extra, **options)
    expected = streamed(file, bundle_folder)
    assert len(expected) == segment_count(length)
    assert_same_as_streamed(file, bundle_folder, expected)


def test_length_and_samples(tmp_path, sound):
    file = write_media(tmp_path / "clip.mkv", sound=sound, pictures=False)
    with OfflineRecording(str(file), ViolaJones()) as recording:
        segments = list(recording)
    assert recording.length_s == pytest.approx(3.0)
    whole = np.concatenate([segment.samples[:4800] for segment in segments])
    np.testing.assert_allclose(whole, sound[: whole.size], atol=1e-6)


@pytest.mark.parametrize("options", [{"later": 90.0, "pictures": False}, {"frame_times": [0.0, 0.1, 90.0]}])
def test_times_that_jump(tmp_path, sound, options):
    later = options.pop("later", None)
    extra = (later, sound[:8000]) if later else None
    file = write_media(tmp_path / "clip.mkv", sound=sound, later=extra, **options)
    with (
        pytest.raises(SourceError, match=r"clip\.mkv: its times jump from .* to 90"),
        OfflineRecording(str(file), ViolaJones()) as recording,
    ):
        list(recording)


def test_a_file_that_is_no_recording(tmp_path):
    (tmp_path / "notes.avi").write_text("no film")
    with pytest.raises(SourceError, match=r"notes\.avi"), OfflineRecording(str(tmp_path / "notes.avi"), ViolaJones()):
        pass
