"""Where the files of a drawn data set lie: as the owners of the real ones lay them out, quirks included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emostream.trainer.datasets.base import PAPER_LABELS
from emostream.trainer.datasets.baum1s_sheet import EMOTIONS

__all__ = ["LAYOUTS", "DataSetPlan", "Turn"]

_WORDS = {"joy": "happiness"}  # where the owners have another word
_EXTRA_CODES = (9, 2, 12)  # of BAUM-1s's other emotions: neutral, boredom, thinking


@dataclass(frozen=True)
class Turn:
    """One file.

    Attributes:
        name: its path below the data set's folder, with forward slashes.
        subject: number of the person, from 1 on.
        emotion: what the actor plays.
        take: tells a person's files apart.
        sentences: turns in the file, one after another.
    """

    name: str
    subject: int
    emotion: str
    take: int
    sentences: int = 1


@dataclass
class DataSetPlan:
    """The files of a data set.

    Attributes:
        turns: its clips.
        strays: files that don't belong to it, by name.
        tables: text files with what the clips are, by name.
    """

    turns: list[Turn] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)


def _rml(subjects: int, takes: int) -> DataSetPlan:
    """Two parts as they are downloaded; every third speaker speaks two languages, each in a folder of its own."""
    plan = DataSetPlan(strays=["rml-1/s1/Thumbs.db"])
    for subject in range(1, subjects + 1):
        speaker = f"{'rml-1' if subject <= 5 else 'rml-2'}/s{subject}"
        for number, emotion, n in _every_take(takes):
            language = ("", "english/", "mandarin/")[0 if subject % 3 else 1 + n % 2]
            plan.turns.append(Turn(f"{speaker}/{language}{_word(emotion)[:2]}{n}.avi", subject, emotion, number))
    return plan


def _enterface05(subjects: int, takes: int) -> DataSetPlan:
    """Folders tell the truth and file names don't; subject 6's emotions aren't cut into sentences."""
    plan = DataSetPlan(strays=["subject 1/anger/sentence 1/Thumbs.db"])
    for subject in range(1, subjects + 1):
        number_of_folder = subject if subject < 6 else subject + 1
        prefix = {3: "s_3", 11: "s12"}.get(number_of_folder, f"s{number_of_folder}")
        for number, emotion, n in _every_take(takes):
            word = _word(emotion)
            odd = "avi" if number_of_folder == 16 and word == "surprise" and n == 3 else ""
            name = f"subject {number_of_folder}/{word}/sentence {n}/{prefix}_{word[:2]}_{n}{odd}.avi"
            plan.turns.append(Turn(name, subject, emotion, number))
    if subjects > 5:
        for at, emotion in enumerate(PAPER_LABELS):
            word = _word(emotion)
            plan.turns.append(Turn(f"subject 6/{word}/s6_{word[:2]}.avi", subjects + 1, emotion, at, sentences=2))
    return plan


def _baum1s(subjects: int, takes: int) -> DataSetPlan:
    """A sheet names the emotions; each person has a clip of another emotion too."""
    plan = DataSetPlan()
    codes = {emotion: code for code, emotion in EMOTIONS.items()}
    rows = ["Row,Subject,Gender,Clip Name,Emotion,Emotion Code"]
    for subject in range(1, subjects + 1):
        extra = EMOTIONS[_EXTRA_CODES[subject % len(_EXTRA_CODES)]]
        clips = [*_every_take(takes), (takes * len(PAPER_LABELS), extra, 1)]
        for number, emotion, _ in clips:
            clip = f"S{subject:03}_{number + 1:03}"
            played = emotion if emotion in PAPER_LABELS else "neutral"
            plan.turns.append(Turn(f"BAUM1s_MP4 - All/s{subject:03}/{clip}.mp4", subject, played, number))
            rows.append(f"{len(rows)},{subject},,{clip},{_word(emotion).capitalize()},{codes[emotion]}")
    plan.tables["Annotations_BAUM1s.csv"] = "\r\n".join([*rows, ""])
    return plan


def _csv(subjects: int, takes: int) -> DataSetPlan:
    plan = DataSetPlan()
    rows = ["path,subject,label"]
    for subject in range(1, subjects + 1):
        for number, emotion, n in _every_take(takes):
            name = f"actor-{subject:03}/{emotion}-{n}.mp4"
            plan.turns.append(Turn(name, subject, emotion, number))
            rows.append(f"{name},actor-{subject:03},{emotion}")
    plan.tables["recordings.csv"] = "\n".join([*rows, ""])
    return plan


def _every_take(takes: int) -> list[tuple[int, str, int]]:
    """A person's takes: a number of each from 0 on, its emotion, and its number among those of the emotion from 1."""
    order = [(emotion, n) for n in range(1, takes + 1) for emotion in PAPER_LABELS]
    return [(number, emotion, n) for number, (emotion, n) in enumerate(order)]


def _word(emotion: str) -> str:
    return _WORDS.get(emotion, emotion)


LAYOUTS: dict[str, Callable[[int, int], DataSetPlan]] = {
    "rml": _rml,
    "enterface05": _enterface05,
    "baum1s": _baum1s,
    "csv": _csv,
}
