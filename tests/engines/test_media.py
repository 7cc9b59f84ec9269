from __future__ import annotations

import os
import socket
import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soxr

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioUnpacker, MonoResampler
from emostream.engines.media.container import Contents
from emostream.engines.media.decoding import PacketDecoder
from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.media.video import VideoUnpacker
from tests.media_files import write_media


def tone(rate: int, seconds: float = 2.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def heard(path: Path) -> tuple[float, float, np.ndarray]:
    with AudioTrack(str(path)) as track:
        blocks = list(track)
    for one, other in pairwise(blocks):
        assert one.end == pytest.approx(other.t, abs=1e-9)
    return track.start, track.end, np.concatenate([block.samples for block in blocks])


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_audio_of_any_rate_is_mono_at_16_khz(tmp_path, rate, channels):
    sound = np.stack([tone(rate)] * channels, axis=1)
    start, end, samples = heard(write_media(tmp_path / "a.mkv", sound=sound, rate=rate, pictures=False))
    assert start == 0.0
    assert end == pytest.approx(2.0, abs=1e-3)
    assert abs(samples.size - 32_000) <= 1
    middle = slice(1000, 31_000)
    np.testing.assert_allclose(samples[:32_000][middle], tone(16_000)[middle], atol=2e-3)


def test_resampling_in_chunks_equals_resampling_at_once():
    signal = np.random.default_rng(0).standard_normal(44_100).astype(np.float32)
    stream = MonoResampler(44_100)
    parts = [stream.push(part[:, None]) for part in np.array_split(signal, 37)]
    parts.append(stream.push(np.zeros((0, 1), np.float32), last=True))
    np.testing.assert_allclose(np.concatenate(parts), soxr.resample(signal, 44_100, 16_000), atol=1e-5)


def test_frames_have_their_own_times(tmp_path):
    times = [0.0, 0.02, 0.5, 0.51, 1.2]
    with VideoTrack(str(write_media(tmp_path / "v.mkv", frame_times=times))) as track:
        frames = list(track)
    assert [f.t for f in frames] == pytest.approx(times, abs=1e-3)
    assert track.end > 1.2
    np.testing.assert_allclose(np.diff([int(f.image[200, 200, 0]) for f in frames]), 3, atol=1)


def test_tracks_that_start_apart(tmp_path):
    file = write_media(tmp_path / "late.mkv", sound=tone(16_000, 1.0), sound_at=0.75)
    start, end, samples = heard(file)
    assert (start, end) == (pytest.approx(0.75, abs=2e-3), pytest.approx(1.75, abs=2e-3))
    assert samples.size == 16_000


@pytest.mark.parametrize(("rotation", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_phone_video_is_turned_upright(tmp_path, rotation, corner):
    file = write_media(tmp_path / "phone.mp4", seconds=0.5, rotation=rotation)
    with VideoTrack(str(file)) as track:
        image = next(iter(track)).image
    assert image.shape[:2] == ((320, 240) if rotation in (90, 270) else (240, 320))
    row, column = (5 if side == 0 else image.shape[axis] - 5 for axis, side in enumerate(corner))
    assert image[row, column].min() > 200
    assert (image.max(axis=2) > 200).sum() == pytest.approx(80 * 60, rel=0.1)


@pytest.mark.parametrize(("aspect", "shape"), [((2, 1), (240, 640)), ((8, 9), (270, 320)), ((1, 9), (240, 320))])
def test_pixels_become_square(tmp_path, aspect, shape):
    """Those of camcorders are not; an aspect beyond 4 is damage."""
    file = write_media(tmp_path / "squeezed.mp4", seconds=0.5, aspect=aspect)
    with VideoTrack(str(file)) as track:
        image = next(iter(track)).image
    assert image.shape == (*shape, 3)
    bright = np.argwhere(image.min(axis=2) > 200)  # the marked corner, a quarter of each side
    np.testing.assert_allclose(bright.max(axis=0) + 1, np.array(shape) / 4, atol=3)


def test_contents(tmp_path):
    both = write_media(tmp_path / "both.mkv", sound=tone(16_000))
    assert Contents.of(str(both)) == Contents(audio=True, video=True, live=False)
    voice = write_media(tmp_path / "voice.wav", sound=tone(16_000), pictures=False)
    assert Contents.of(str(voice)) == Contents(audio=True, video=False, live=False)
    with pytest.raises(SourceError, match=r"voice\.wav has no video track"), VideoTrack(str(voice)):
        pass


def test_what_is_no_medium(tmp_path):
    with pytest.raises(SourceError, match=r"none\.mp4 does not exist"):
        Contents.of(str(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    with pytest.raises(SourceError, match=r"text\.mp4 is no audio or video that can be read"):
        Contents.of(str(tmp_path / "text.mp4"))
    with pytest.raises(SourceError, match="can't be"):
        Contents.of(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"pipe is a pipe or a device, which can be read once only; name a file"):
        Contents.of(str(tmp_path / "pipe"))


def test_a_server_that_says_nothing(monkeypatch):
    monkeypatch.setattr("emostream.engines.media.container._OPEN_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "rtsp", "tcp"):
            address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/live"
            with pytest.raises(SourceError, match=rf"{address} did not answer within \S+ s; check that it runs"):
                Contents.of(address)


def test_a_host_that_nobody_knows():
    with pytest.raises(SourceError, match=r"no host of that name is known; check its address"):
        Contents.of("http://nobody.invalid/live")


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face"])
def test_a_single_picture_is_no_video(tmp_path, name):
    data = cv2.imencode(f".{name[5:] or 'jpg'}", np.zeros((120, 160, 3), np.uint8))[1].tobytes()
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(SourceError, match=rf"{name} is a single picture, expected moving ones; name a video"):
        Contents.of(str(file))
    (tmp_path / "several").write_bytes(10 * data)
    assert Contents.of(str(tmp_path / "several")).video


def test_a_file_cut_short_gives_what_can_be_read(tmp_path):
    whole = write_media(tmp_path / "whole.mkv", sound=tone(16_000), seconds=2.0)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with VideoTrack(str(cut)) as track:
        assert 5 < len(list(track)) < 60
    moov_lost = tmp_path / "lost.mp4"
    mp4 = write_media(tmp_path / "whole.mp4", seconds=1.0)
    moov_lost.write_bytes(mp4.read_bytes()[: mp4.stat().st_size // 2])
    with pytest.raises(SourceError, match="cut short"):
        Contents.of(str(moov_lost))


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_recording_that_lacks_its_end_is_said(tmp_path, caplog, share):
    whole, file = tmp_path / "whole.mkv", tmp_path / "talk.mkv"
    write_media(whole, seconds=4.0, sound=tone(16_000, 4.0))
    data = whole.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    for track in (AudioTrack(str(file)), VideoTrack(str(file))):
        with track:
            for _ in track:
                pass
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (0 if share == 1.0 else 2)
    assert all(line.startswith(str(file)) and "should at 4.0 s: the file was cut short" in line for line in said)


def test_damaged_packets_are_passed_over(tmp_path, caplog):
    file = write_media(tmp_path / "d.mp4", seconds=2.0)
    data = bytearray(file.read_bytes())
    media = data.index(b"mdat") + 2000
    data[media : media + 400] = bytes(range(200)) * 2
    file.write_bytes(bytes(data))
    with VideoTrack(str(file)) as track:
        assert len(list(track)) > 20


class DamagedPacket:
    def decode(self) -> list[av.VideoFrame]:
        raise av.error.InvalidDataError(1, "Invalid data")


class WholePacket:
    def decode(self) -> list[av.VideoFrame]:
        return [av.VideoFrame(32, 32)]


def test_damage_is_said_once_and_a_hundred_in_a_row_end_a_track(caplog):
    decoder = PacketDecoder("rtsp://user:secret@cam/live", "video")
    for packet in [DamagedPacket()] * 99 + [WholePacket()] + [DamagedPacket()] * 99:
        decoder.frames(packet)
    assert not decoder.given_up
    assert [r.message for r in caplog.records] == ["rtsp://cam/live: damaged video, going on: Invalid data"]
    assert len(decoder.frames(WholePacket())) == 1
    for _ in range(100):
        assert not decoder.frames(DamagedPacket())
    assert decoder.given_up
    assert not decoder.frames(WholePacket())
    assert [r.message for r in caplog.records][1:] == ["rtsp://cam/live: its video track is too damaged to go on"]


def audio_frames(sound: np.ndarray, rate: int, form: str, layout: str, *, at: float) -> list[av.AudioFrame]:
    """Frames of 20 ms of a mono sound, in any form that carries it."""
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    scaled = sound * 32768 if form.startswith("s16") else sound
    whole = np.repeat(scaled.astype(np.int16 if form.startswith("s16") else np.float32)[None], channels, axis=0)
    frames = []
    for first in range(0, sound.size, rate // 50):
        part = whole[:, first : first + rate // 50]
        packed = part if form.endswith("p") else part.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), format=form, layout=layout)
        frame.rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(at * rate) + first
        frames.append(frame)
    return frames


@pytest.mark.parametrize("first", [(48_000, "fltp", "stereo"), (16_000, "s16", "mono")])
@pytest.mark.parametrize(
    "second",
    [(48_000, "fltp", "mono"), (48_000, "s16", "stereo"), (16_000, "s16", "stereo"), (44_100, "s16p", "5.1")],
)
def test_sound_that_changes_its_form_goes_on(first, second):
    unpacker = AudioUnpacker()
    blocks = []
    for n, (rate, form, layout) in enumerate([first, second, first]):
        for frame in audio_frames(tone(rate, 1.0), rate, form, layout, at=5.0 + n):
            blocks += unpacker.push(frame)
    blocks += unpacker.flush()
    for one, other in pairwise(blocks):
        assert one.end == pytest.approx(other.t, abs=1e-4)
    assert blocks[0].t == 5.0
    samples = np.concatenate([block.samples for block in blocks])
    assert abs(samples.size - 48_000) <= 3
    expected = np.tile(tone(16_000, 1.0), 3)
    for n in range(3):
        middle = slice(16_000 * n + 1000, 16_000 * n + 15_000)
        np.testing.assert_allclose(samples[middle], expected[middle], atol=3e-3)


def unpacked_times(times: list[float | None], *, live: bool) -> list[float]:
    unpacker = VideoUnpacker(10.0, live=live)
    given = []
    for t in times:
        frame = av.VideoFrame(32, 32, "yuv420p")
        if t is not None:
            frame.pts, frame.time_base = round(1000 * t), Fraction(1, 1000)
        given += [picture.t for picture in unpacker.push(frame)]
    return given


def test_a_live_camera_whose_clock_is_set_back_goes_on():
    times = [100.0, 100.1, 100.05, 3.0, 3.1]
    assert unpacked_times(times, live=True) == [100.0, 100.1, 3.0, 3.1]
    assert unpacked_times(times, live=False) == [100.0, 100.1]


def test_pictures_without_times_come_at_the_usual_rate():
    assert unpacked_times([None, None, None], live=False) == pytest.approx([0.0, 0.1, 0.2])


def test_end_of_an_edit_list(tmp_path):
    # AAC comes in frames of 1024 samples: the decoder gives more than the track's own length.
    file = write_media(tmp_path / "e.mp4", sound=tone(16_000, 1.03), pictures=False)
    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        stated = float((stream.start_time + stream.duration) * stream.time_base)
    start, end, samples = heard(file)
    assert end == pytest.approx(stated, abs=1e-4)
    assert samples.size == pytest.approx((end - start) * 16_000, abs=2)


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    file = write_media(tmp_path / "large.mkv", seconds=0.2, size=(64, 48))
    monkeypatch.setattr("emostream.engines.media.container._MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(SourceError, match=r"large\.mkv has pictures of 64 x 48 pixels, expected at most 3,071; make"):
        Contents.of(str(file))
    monkeypatch.setattr("emostream.engines.media.container._MAX_PIXELS", 64 * 48)
    with VideoTrack(str(file)) as track:
        assert len(list(track)) == 6


def test_times_that_jump_by_years_are_refused(tmp_path):
    file = write_media(tmp_path / "years.mkv", frame_times=[0.0, 0.1, 1e6], size=(64, 48))
    with (
        VideoTrack(str(file)) as track,
        pytest.raises(SourceError, match=r"video track jump from 0\.\d to 1000000\.0 s"),
    ):
        list(track)


def test_tracks_that_begin_years_apart_are_refused(tmp_path):
    file = write_media(tmp_path / "apart.mkv", frame_times=[1e6, 1e6 + 0.1], sound=tone(16_000, 0.1), size=(64, 48))
    with pytest.raises(SourceError, match=r"video track jump from 0\.0 to 1000000\.0 s"), VideoTrack(str(file)):
        pass


def test_sound_that_is_no_number_is_silence():
    resampler = MonoResampler(16_000)
    found = resampler.push(np.array([[0.5], [np.nan], [np.inf], [-np.inf], [1e30]], np.float32))
    np.testing.assert_array_equal(found, np.array([0.5, 0.0, 1e6, -1e6, 1e6], np.float32))


def write_channels(path: Path, channels: int) -> np.ndarray:
    """One second of 16-bit sound with another tone in each channel; the mean of them."""
    sound = np.stack([0.2 * tone(16_000, 1.0) * (n + 1) / channels for n in range(channels)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sound * 32768).astype("<i2").tobytes())
    return sound.mean(axis=1)


@pytest.mark.parametrize("channels", [1, 2, 6, 8, 9, 16, 64])
def test_any_number_of_channels(tmp_path, channels):
    expected = write_channels(tmp_path / "many.wav", channels)
    _, _, samples = heard(tmp_path / "many.wav")
    np.testing.assert_allclose(samples, expected, atol=1e-4)


def test_more_channels_than_can_be_converted(tmp_path):
    write_channels(tmp_path / "many.wav", 65)
    with pytest.raises(SourceError, match=r"many\.wav has sound of 65 channels, expected at most 64"):
        Contents.of(str(tmp_path / "many.wav"))


def test_a_frame_that_can_not_be_converted_is_passed_over():
    sound, silence = tone(16_000, 0.1), np.zeros((1, 65 * 320), np.int16)
    many = av.AudioFrame.from_ndarray(silence, "s16", "65 channels")
    many.rate, many.time_base, many.pts = 16_000, Fraction(1, 16_000), 1600
    unpacker, blocks = AudioUnpacker(), []
    for frame in (
        *audio_frames(sound, 16_000, "fltp", "mono", at=0.0),
        many,
        *audio_frames(sound, 16_000, "fltp", "mono", at=0.2),
    ):
        blocks += unpacker.push(frame)
    assert [(round(block.t, 3), block.lost) for block in blocks[4:6]] == [(0.08, False), (0.2, True)]
    assert sum(block.samples.size for block in blocks) == 3200


def test_a_picture_of_which_nothing_can_be_made_is_passed_over():
    """Damage may leave a frame whose colours FFmpeg can't convert."""
    frames = [
        av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24") for level in (10, 20, 30)
    ]
    for n, frame in enumerate(frames):
        frame.pts, frame.time_base = n, Fraction(1, 25)
    unpacker = VideoUnpacker(25.0)
    reformat = unpacker._reformatter.reformat

    class Failing:
        def reformat(self, frame, **options):
            if frame is frames[1]:
                raise av.error.OSError(95, "Operation not supported")
            return reformat(frame, **options)

    unpacker._reformatter = Failing()
    given = [picture for frame in frames for picture in unpacker.push(frame)]
    assert [picture.t for picture in given] == [0.0, 0.08]
