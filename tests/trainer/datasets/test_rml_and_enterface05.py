from __future__ import annotations

from pathlib import Path

import pytest

from emostream.engines.errors import DataError
from emostream.trainer.actors.layouts import LAYOUTS
from emostream.trainer.datasets import enterface05, rml
from emostream.trainer.datasets.base import PAPER_LABELS, ReadOptions
from emostream.trainer.datasets.choose import Reader
from tests.trainer.datasets.trees import STRAYS, per_label, tree, whose

CODES = ("an", "di", "fe", "ha", "sa", "su")
WORDS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def test_rml_in_its_two_parts(tmp_path: Path) -> None:
    speakers = [f"rml-1/s{n}" for n in range(1, 6)] + [f"rml-2/s{n}" for n in range(6, 9)]
    names = [f"{speaker}/{code}{n}.avi" for speaker in speakers for code in CODES for n in range(1, 16)]
    tree(tmp_path, [*names, *(f"rml-1/s1/{stray}" for stray in STRAYS), "rml-1/s1/an1.wav"])
    data = rml.read(tmp_path, ReadOptions())
    assert data.labels == PAPER_LABELS
    assert data.protocol == "subjects"
    assert data.subjects == tuple(f"s{n}" for n in range(1, 9))
    assert per_label(data) == dict.fromkeys(PAPER_LABELS, 120)
    assert data.left_out == {}
    assert [each.name for each in data.recordings] == sorted(names)
    assert all(each.path == tmp_path / each.name for each in data.recordings)


def test_rml_by_speakers_with_and_without_languages(tmp_path: Path) -> None:
    names = [f"Ali/{code}1.AVI" for code in CODES] + [f"Mei/Mandarin/{code.upper()}2.avi" for code in CODES]
    names += [f"RML database/S 3/English/{code}1.avi" for code in CODES]
    data = rml.read(tree(tmp_path, names), ReadOptions())
    assert whose(data)["Ali/di1.AVI"] == ("Ali", "disgust")
    assert whose(data)["Mei/Mandarin/HA2.avi"] == ("Mei", "joy")
    assert whose(data)["RML database/S 3/English/su1.avi"] == ("S 3", "surprise")


@pytest.mark.parametrize("name", ["sample.avi", "neutral1.avi", "1an.avi"])
def test_rml_refuses_a_clip_that_tells_no_emotion(tmp_path: Path, name: str) -> None:
    tree(tmp_path, [f"s1/{code}1.avi" for code in CODES] + [f"s1/{name}"])
    with pytest.raises(DataError, match=rf"s1/{name} of RML tells no emotion; expected .* an \(anger\)"):
        rml.read(tmp_path, ReadOptions())


def test_rml_refuses_a_clip_of_no_speaker(tmp_path: Path) -> None:
    tree(tmp_path, ["s1/an1.avi", "rml-2/an2.avi"])
    with pytest.raises(DataError, match=r"rml-2/an2.avi of RML lies in no speaker's folder; expected rml-1/s1/an1.avi"):
        rml.read(tmp_path, ReadOptions())


def test_enterface05_believes_folders_and_not_file_names(tmp_path: Path) -> None:
    names = {
        "subject 1/anger/sentence 1/s1_an_1.avi": ("subject 1", "anger"),
        "subject 1/anger/sentence 1/Thumbs.db": None,
        "subject 3/happiness/sentence 1/s_3_ha_1.avi": ("subject 3", "joy"),
        "subject 11/disgust/sentence 5/s12_di_5.avi": ("subject 11", "disgust"),
        "subject 16/surprise/sentence 3/s16_su_3avi.avi": ("subject 16", "surprise"),
        "enterface database/Subject_07/Sadness/sentence 2/deeper/s7_sa_2.avi": ("subject 7", "sadness"),
        "subject-44/fear/s44_fe_1.avi": ("subject 44", "fear"),
        "subject-44/fear/s44_fe_2.avi": ("subject 44", "fear"),
    }
    data = enterface05.read(tree(tmp_path, names), ReadOptions())
    assert whose(data) == {name: place for name, place in names.items() if place}
    assert data.left_out == {}


def test_enterface05_leaves_out_who_was_not_cut_into_sentences(tmp_path: Path) -> None:
    names = [f"subject {n}/{word}/sentence {k}/x.avi" for n in (1, 2) for word in WORDS for k in (1, 2)]
    data = enterface05.read(tree(tmp_path, [*names, *(f"subject 6/{word}/s6.avi" for word in WORDS)]), ReadOptions())
    assert data.subjects == ("subject 1", "subject 2")
    assert len(data.recordings) == 24
    assert data.left_out == {"not cut into sentences": 6}


def test_enterface05_without_folders_for_sentences(tmp_path: Path) -> None:
    names = [f"subject {n}/{word}/{word}.avi" for n in range(1, 4) for word in WORDS]
    assert len(enterface05.read(tree(tmp_path, names), ReadOptions()).recordings) == 18


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("subject 1/rage/a.avi", "subject 1/rage/a.avi .* lies in the folder 'rage'; expected one of anger,"),
        ("subject 1/neutral/a.avi", "lies in the folder 'neutral'; expected"),
        ("subject 1/a.avi", "subject 1/a.avi .* lies in no emotion's folder; .* below 'subject 1'"),
        ("person 1/anger/a.avi", "person 1/anger/a.avi .* lies in no subject's folder; expected subject 1/anger/"),
    ],
)
def test_enterface05_refuses_other_folders(tmp_path: Path, name: str, message: str) -> None:
    tree(tmp_path, ["subject 1/anger/sentence 1/s1_an_1.avi", name])
    with pytest.raises(DataError, match=message):
        enterface05.read(tmp_path, ReadOptions())


@pytest.mark.parametrize(("layout", "reader"), [("rml", rml.read), ("enterface05", enterface05.read)])
def test_planned_actors_are_read_whole(tmp_path: Path, layout: str, reader: Reader) -> None:
    plan = LAYOUTS[layout](43, 5)
    tree(tmp_path, [turn.name for turn in plan.turns] + plan.strays)
    data = reader(tmp_path, ReadOptions())
    assert len(data.subjects) == 43
    assert per_label(data) == dict.fromkeys(PAPER_LABELS, 215)
    people: dict[int, set[str]] = {}
    labels = whose(data)
    for turn in plan.turns:
        if turn.name in labels:
            subject, label = labels[turn.name]
            assert label == turn.emotion
            people.setdefault(turn.subject, set()).add(subject)
    assert all(len(names) == 1 for names in people.values())
    assert len(people) == 43
