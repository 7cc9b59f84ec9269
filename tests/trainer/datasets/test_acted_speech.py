"""RAVDESS, CREMA-D and SAVEE, whose owners ship sound and pictures in separate files."""

from __future__ import annotations

from pathlib import Path

import pytest

from emostream.engines.errors import DataError
from emostream.trainer.datasets import cremad, ravdess, savee
from emostream.trainer.datasets.base import PAPER_LABELS, ReadOptions
from tests.trainer.datasets.trees import STRAYS, per_label, tree, whose

SOUND = ReadOptions(modality="audio")
SIX = range(3, 9)  # the paper's emotions among RAVDESS's codes


def ravdess_names(modality: str, suffix: str, channel: str = "01") -> list[str]:
    return [f"Actor_{a:02}/{modality}-{channel}-{e:02}-01-01-01-{a:02}{suffix}" for a in (1, 24) for e in range(1, 9)]


def test_the_real_ravdess(shared: Path) -> None:
    data = ravdess.read(shared / "ravdess_speech", SOUND)
    # Two of Actor_07's joyful recordings are the same file.
    assert per_label(data) == {**dict.fromkeys(PAPER_LABELS, 192), "joy": 191}
    assert data.left_out == {"other emotions": 288, "a copy of another recording": 1}
    assert data.subjects == tuple(f"Actor_{n:02}" for n in range(1, 25))
    assert "Actor_07/03-01-03-01-02-01-07.flac" in whose(data)
    assert whose(data)["Actor_01/03-01-06-02-02-02-01.flac"] == ("Actor_01", "fear")


def test_the_real_ravdess_with_all_its_classes(shared: Path) -> None:
    labels = (*PAPER_LABELS, "neutral", "calm")
    data = ravdess.read(shared / "ravdess_speech", ReadOptions(labels, modality="audio"))
    assert data.labels == labels
    assert per_label(data) == {**dict.fromkeys(labels, 192), "joy": 191, "neutral": 96}
    merged = ravdess.read(
        shared / "ravdess_speech", ReadOptions(("neutral", "anger"), {"calm": "neutral"}, modality="audio")
    )
    assert per_label(merged) == {"neutral": 288, "anger": 192}


@pytest.mark.parametrize(
    ("modality", "code", "suffix"), [("audio", "03", ".wav"), ("video", "02", ".mp4"), ("both", "01", ".mp4")]
)
def test_ravdess_gives_one_kind_of_file(tmp_path: Path, modality: str, code: str, suffix: str) -> None:
    names = ravdess_names("01", ".mp4") + ravdess_names("02", ".mp4") + ravdess_names("03", ".wav")
    songs = ravdess_names("01", ".mp4", channel="02")
    tree(tmp_path, [*names, *songs, *STRAYS[:5], "Actor_01/01-01-03-01-01-01-01.wav"])
    data = ravdess.read(tmp_path, ReadOptions(modality=modality))
    assert {each.path.name[:2] for each in data.recordings} == {code}
    assert {each.path.suffix for each in data.recordings} == {suffix}
    assert per_label(data) == dict.fromkeys(PAPER_LABELS, 2)
    assert data.left_out == {"songs": 16, "another modality": 33, "other emotions": 4}


def test_ravdess_without_the_wanted_kind(tmp_path: Path) -> None:
    tree(tmp_path, ravdess_names("03", ".flac"))
    with pytest.raises(
        DataError, match="no speech of RAVDESS for modality both, but 16 of modality audio; choose that"
    ):
        ravdess.read(tmp_path, ReadOptions())


@pytest.mark.parametrize("name", ["Actor_01/03-01-09-01-01-01-01.wav", "Actor_01/hello.wav"])
def test_ravdess_refuses_other_names(tmp_path: Path, name: str) -> None:
    tree(tmp_path, [*ravdess_names("03", ".wav"), name])
    with pytest.raises(DataError, match=f"{name} of RAVDESS tells no emotion and actor; expected .* move other files"):
        ravdess.read(tmp_path, SOUND)


def cremad_names(folder: str, suffix: str) -> list[str]:
    return [
        f"{folder}/{a}_IEO_{e}_XX{suffix}" for a in (1001, 1091) for e in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    ]


def test_cremad_has_five_of_the_six(tmp_path: Path) -> None:
    everything = (
        cremad_names("AudioWAV", ".wav") + cremad_names("AudioMP3", ".mp3") + cremad_names("VideoFlash", ".flv")
    )
    tree(tmp_path, [*everything, "AudioWAV/1040_ITH_SAD_X.wav", "SentenceFilenames.csv"])
    data = cremad.read(tmp_path, SOUND)
    assert data.labels == ("anger", "disgust", "fear", "joy", "sadness")
    assert per_label(data) == {"anger": 2, "disgust": 2, "fear": 2, "joy": 2, "sadness": 3}
    assert whose(data)["AudioWAV/1091_IEO_HAP_XX.wav"] == ("1091", "joy")
    assert data.left_out == {
        "another modality": 12,
        "another encoding of the same recording": 12,
        "other emotions": 2,
    }
    pictures = cremad.read(tmp_path, ReadOptions())
    assert {each.path.suffix for each in pictures.recordings} == {".flv"}
    assert len(pictures.recordings) == 10
    assert whose(pictures) == whose(cremad.read(tmp_path, ReadOptions(modality="video")))


def test_cremad_as_mp3_alone(tmp_path: Path) -> None:
    assert len(cremad.read(tree(tmp_path, cremad_names("AudioMP3", ".mp3")), SOUND).recordings) == 10


def test_cremad_that_git_lfs_has_not_fetched(tmp_path: Path) -> None:
    tree(tmp_path, cremad_names("AudioWAV", ".wav"), b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    with pytest.raises(
        DataError, match=r"12 files of CREMA-D, such as AudioWAV/1001_IEO_ANG_XX.wav, .* `git lfs pull` in"
    ):
        cremad.read(tmp_path, SOUND)


@pytest.mark.parametrize("name", ["AudioWAV/1001_IEO_SUR_XX.wav", "AudioWAV/1001_ANG.wav"])
def test_cremad_refuses_other_names(tmp_path: Path, name: str) -> None:
    tree(tmp_path, [*cremad_names("AudioWAV", ".wav"), name])
    with pytest.raises(DataError, match=f"{name} of CREMA-D tells no emotion; expected .* SAD: give"):
        cremad.read(tmp_path, SOUND)


def savee_names(pattern: str) -> list[str]:
    return [pattern.format(s, e) for s in ("DC", "KL") for e in ("a", "d", "f", "h", "n", "sa", "su")]


def test_savee_in_both_layouts(tmp_path: Path) -> None:
    tree(tmp_path / "owners", savee_names("AudioData/{}/{}01.wav") + savee_names("AudioVisualClip/{}/{}1.avi"))
    sound = savee.read(tmp_path / "owners", SOUND)
    assert sound.left_out == {"another modality": 14, "other emotions": 2}
    assert per_label(sound) == dict.fromkeys(PAPER_LABELS, 2)
    assert whose(sound)["AudioData/KL/su01.wav"] == ("KL", "surprise")
    pictures = savee.read(tmp_path / "owners", ReadOptions())
    assert whose(pictures)["AudioVisualClip/DC/sa1.avi"] == ("DC", "sadness")
    flat = savee.read(tree(tmp_path / "flat", savee_names("ALL/{}_{}01.wav")), SOUND)
    assert whose(flat)["ALL/DC_h01.wav"] == ("DC", "joy")


@pytest.mark.parametrize("name", ["AudioData/DC/x01.wav", "AudioData/XX/a01.wav", "AudioData/DC/a.wav"])
def test_savee_refuses_other_names(tmp_path: Path, name: str) -> None:
    tree(tmp_path, [*savee_names("AudioData/{}/{}01.wav"), name])
    with pytest.raises(
        DataError, match=f"{name} of SAVEE tells no speaker and emotion; expected .*su .surprise.: give"
    ):
        savee.read(tmp_path, SOUND)


@pytest.mark.parametrize(
    ("suffix", "options", "message"),
    [
        (
            ".wav",
            ReadOptions(),
            "has no pictures of SAVEE, but 14 other files, such as DC/a1.wav; choose modality audio",
        ),
        (".avi", SOUND, "has no sound of SAVEE, but 14 other files, such as DC/a1.avi; choose modality both"),
    ],
)
def test_savee_without_the_wanted_kind(tmp_path: Path, suffix: str, options: ReadOptions, message: str) -> None:
    tree(tmp_path, savee_names("{}/{}1" + suffix))
    with pytest.raises(DataError, match=message):
        savee.read(tmp_path, options)
