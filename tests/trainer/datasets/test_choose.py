from __future__ import annotations

from pathlib import Path

import pytest

from emostream.engines.errors import ConfigError, DataError
from emostream.trainer.commands import options
from emostream.trainer.datasets.base import PAPER_LABELS, ReadOptions
from emostream.trainer.datasets.choose import CLIP_DATASETS, read_dataset
from emostream.trainer.datasets.files import same_content, walk
from tests.trainer.datasets.trees import STRAYS, per_label, tree

RML = [f"rml-1/s{n}/{code}1.avi" for n in (1, 2) for code in ("an", "di", "fe", "ha", "sa", "su")]
ENTERFACE = [f"subject {n}/{word}/sentence 1/x.avi" for n in (1, 2) for word in (*PAPER_LABELS[:3], "happiness")]
SAVEE = [f"AudioVisualClip/{s}/{e}1.avi" for s in ("DC", "JE") for e in ("a", "d", "f", "h", "n", "sa", "su")]
PLAIN = ReadOptions()


def refused(name: str, root: Path, options: ReadOptions = PLAIN) -> str:
    with pytest.raises(DataError) as caught:
        read_dataset(name, root, options)
    return str(caught.value)


def test_every_name_reads_its_data_set(tmp_path: Path) -> None:
    assert list(CLIP_DATASETS) == ["rml", "enterface05", "baum1s", "ravdess", "cremad", "savee", "csv"]
    assert "|".join(CLIP_DATASETS) == options._DATASETS
    data = read_dataset("rml", tree(tmp_path, RML), PLAIN)
    assert (data.name, len(data.recordings)) == ("rml", 12)


def test_an_unknown_name(tmp_path: Path) -> None:
    assert refused("iemocap", tmp_path) == (
        "data set 'iemocap' is unknown; choose rml, enterface05, baum1s, ravdess, cremad, savee, csv"
    )


@pytest.mark.parametrize("name", CLIP_DATASETS)
def test_a_folder_that_is_missing(tmp_path: Path, name: str) -> None:
    assert refused(name, tmp_path / "gone") == f"{tmp_path / 'gone'} doesn't exist; give the folder of data set {name}"


@pytest.mark.parametrize("name", [name for name in CLIP_DATASETS if name != "csv"])
def test_a_file_and_an_empty_folder(tmp_path: Path, name: str) -> None:
    file = tmp_path / "set" / "data.zip"
    tree(tmp_path, ["set/data.zip", "nothing/readme.txt", *(f"nothing/{stray}" for stray in STRAYS[2:])])
    assert refused(name, file).startswith(f"{file} is a file; give the folder of data set {name}, with ")
    message = refused(name, tmp_path / "nothing")
    assert message.startswith(f"{tmp_path / 'nothing'} has no recordings of data set {name}: expected ")
    assert message.endswith("found 1 file (1 .txt), such as readme.txt; check the folder")
    (tmp_path / "nothing" / "readme.txt").unlink()
    assert refused(name, tmp_path / "nothing").endswith("found no files; check the folder")


@pytest.mark.parametrize(
    ("name", "names", "other"),
    [("rml", ENTERFACE, "enterface05"), ("enterface05", RML, "rml"), ("ravdess", SAVEE, "savee")],
)
def test_a_folder_of_another_data_set(tmp_path: Path, name: str, names: list[str], other: str) -> None:
    message = refused(name, tree(tmp_path, names))
    assert f"found {len(names)} files ({len(names)} .avi), such as {min(names)}" in message
    assert message.endswith(f"; it looks like data set {other}: choose that")


def test_a_data_set_one_level_deeper_or_higher(tmp_path: Path) -> None:
    tree(tmp_path / "sets" / "emotion" / "RML", [name.replace("rml-1/s", "speakers/by name/S") for name in RML])
    message = refused("rml", tmp_path / "sets" / "emotion" / "RML" / "speakers" / "by name" / "S1")
    above = (tmp_path / "sets" / "emotion" / "RML" / "speakers" / "by name").resolve()
    assert message.endswith(f"; it seems to lie one level higher: give {above}")
    deeper = tmp_path / "sets" / "emotion" / "RML"
    message = refused("rml", deeper)
    assert message.endswith(f"; it seems to lie one level deeper: give {deeper / 'speakers'}")
    tree(tmp_path / "enterface", ENTERFACE)
    message = refused("enterface05", tmp_path / "enterface" / "subject 1")
    assert message.endswith(f"; it seems to lie one level higher: give {(tmp_path / 'enterface').resolve()}")


def test_a_modality_where_there_is_nothing_to_choose(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"modality audio can't be chosen of data set rml, .* leave the modality out"):
        read_dataset("rml", tree(tmp_path, RML), ReadOptions(modality="audio"))


def test_a_class_without_recordings(tmp_path: Path) -> None:
    root = tree(tmp_path, [name for name in RML if "/fe" not in name])
    assert refused("rml", root).startswith(
        "data set rml has no recordings of fear, but 2 of anger, 2 of disgust, 2 of joy"
    )
    assert len(read_dataset("rml", root, ReadOptions(("anger", "joy"))).recordings) == 4
    assert "no recordings of fear, but" in refused("rml", root, ReadOptions(("anger", "fear")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"labels": ("anger", "calm")},
            "data set rml has no calm; choose from anger, disgust, fear, joy, sadness, surprise",
        ),
        ({"merge": {"calm": "neutral"}}, "data set rml has no calm that could be merged; it has anger,"),
    ],
)
def test_classes_that_the_data_set_lacks(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_dataset("rml", tree(tmp_path, RML), ReadOptions(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ()}, r"labels \(none\) can't be told apart; give two or more"),
        ({"labels": ("joy",)}, "labels joy can't be told apart"),
        ({"labels": ("joy", "fear", "joy")}, "each once"),
        ({"labels": ("joy", "big fear")}, "label 'big fear' is no name; give 1 to 64 letters"),
        ({"merge": {"calm": ""}}, "label '' is no name"),
        ({"merge": {"calm": "neutral", "neutral": "joy"}}, "calm can't be merged into neutral, .* merge both into joy"),
        ({"modality": "smell"}, "modality 'smell' is unknown; choose audio, video, both"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ReadOptions(**options)


def test_classes_merged_into_a_new_one(tmp_path: Path) -> None:
    tense = ReadOptions(("tense", "joy"), {"anger": "tense", "fear": "tense"})
    data = read_dataset("rml", tree(tmp_path, RML), tense)
    assert per_label(data) == {"tense": 4, "joy": 2}
    assert data.left_out == {"other emotions": 6}


def test_copies_are_left_out(tmp_path: Path) -> None:
    tree(tmp_path, RML)
    for n, name in enumerate(RML):
        (tmp_path / name).write_bytes(bytes([n]) * 100_000)
    same_label, other_label = "rml-1/s2/an2.avi", "rml-1/s2/su2.avi"
    (tmp_path / same_label).write_bytes((tmp_path / "rml-1/s1/an1.avi").read_bytes())
    (tmp_path / other_label).write_bytes((tmp_path / "rml-1/s2/sa1.avi").read_bytes())
    longer = (tmp_path / "rml-1/s2/di1.avi").read_bytes()
    (tmp_path / "rml-1/s2/di2.avi").write_bytes(longer[:-1] + b"x")  # the same size and beginning
    data = read_dataset("rml", tmp_path, PLAIN)
    assert data.left_out == {"a copy of another recording": 1, "copies with different labels": 2}
    names = {each.name for each in data.recordings}
    assert names == {*RML, "rml-1/s2/di2.avi"} - {"rml-1/s2/sa1.avi"}


def test_another_encoding_is_left_out_and_folders_are_read_once(tmp_path: Path) -> None:
    tree(tmp_path, [*RML, "rml-1/s1/an1.mp4"])
    (tmp_path / "again").symlink_to(tmp_path / "rml-1", target_is_directory=True)
    data = read_dataset("rml", tmp_path, PLAIN)
    assert len(data.recordings) == 12
    assert data.left_out == {"another encoding of the same recording": 1}


def test_folders_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"can't read the folder .*gone: No such file or directory; check its perm"):
        list(walk(tmp_path / "gone"))
    with pytest.raises(
        DataError, match=r"can't read .*gone.wav: No such file or directory; check the data set's files"
    ):
        same_content([tmp_path / "gone.wav"])
