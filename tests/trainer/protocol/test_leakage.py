"""Nothing of a test subject enters anything that is learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emostream.trainer.protocol.fold import FoldJob, run_fold
from emostream.trainer.protocol.folds import Fold
from tests.trainer.corpora import LABELS, SUBJECTS, Turn, plan, turns, write_corpus
from tests.trainer.protocol.learned import changed, learned

HELD_OUT = SUBJECTS[1]  # whose recordings lie between those of the others
OTHERS = [turn for turn in turns() if turn.subject != HELD_OUT]
OWN = turns([HELD_OUT])
ALTERED = {
    "samples, crops and labels": [
        replace(turn, take=turn.take + 4, label=LABELS[LABELS.index(turn.label) - 1]) for turn in OWN
    ],
    "more recordings of other lengths, one without a voice and one without a face": [
        *OWN,
        *(Turn(HELD_OUT, "joy", take, segments=take) for take in (*range(3, 10), 13)),
        Turn(HELD_OUT, "anger", 7, face=False, segments=2),
        Turn(HELD_OUT, "sadness", 7, sound=False, segments=2),
    ],  # 129 segments in all, 1 more than whole batches: the size of a batch decides last bits
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leakage")


def run(folder: Path, name: str, what: list[Turn]) -> tuple[dict[str, Any], list[str]]:
    """What a fold learns, and its lines of decisions."""
    corpus = write_corpus(folder / "segments", what)
    place = run_fold(FoldJob(corpus, Fold("fold", (HELD_OUT,)), plan(), folder / name, threads=1, keep=True))
    return learned(place), (place / "decisions.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def before(places: Path) -> tuple[dict[str, Any], list[str]]:
    return run(places, "before", OTHERS + OWN)


def test_every_part_of_a_fold_is_looked_at(before: tuple[dict[str, Any], list[str]]) -> None:
    names = set(before[0])
    networks = {name.partition(":")[0] for name in names if ": network." in name}
    fusions = {"dbn-1", "dbn-2", "dbn-3", "fc-1", "fc-2", "fc-3", "dbn-2-random", "dbn-2-standard"}
    assert networks == {"audio", "audio-15", "video", "inner/rate-0.01", "inner/rate-0.2"} | fusions
    statistics = ("audio: standardise.offset", "audio: standardise.scale", "video: mean", "video: _extra_state")
    assert {*statistics, "dbn-2: network.scaling.offset", "dbn-2: network.scaling.scale"} <= names
    assert {"audio: network.features.1.0.running_var", "video: network.norms.conv1.running_mean"} <= names
    assert {"dbn-2: machines", "svm dbn-2 weight", "svm concatenated bias"} <= names
    assert {
        f"svm {name} scores {field}" for name in ("audio", "video") for field in ("weight", "bias", "prob_a")
    } <= names
    rates = before[0]["fold.json rate"]
    assert set(rates) == {"0.01", "0.2"}
    assert None not in rates.values()


@pytest.mark.parametrize("what", ALTERED)
def test_nothing_of_the_test_subject_enters_anything_learned(
    places: Path, before: tuple[dict[str, Any], list[str]], what: str
) -> None:
    found, decisions = run(places, what[:6], OTHERS + ALTERED[what])
    assert changed(found, before[0]) == []
    assert decisions != before[1]


def test_what_a_training_subject_gives_enters_everything(
    places: Path, before: tuple[dict[str, Any], list[str]]
) -> None:
    other = [*OTHERS[:-1], replace(OTHERS[-1], take=9, sounds_like="anger")]
    found, decisions = run(places, "training", other + OWN)
    assert [line.split(",")[:3] for line in decisions] == [line.split(",")[:3] for line in before[1]]
    untouched = set(before[0]) - set(changed(found, before[0]))
    counters = {name for name in untouched if name.endswith("num_batches_tracked")}
    assert counters
    # Minima of rectified units are 0 whoever speaks; of what is left, nothing but the choice may be as before.
    minima = {name for name in untouched if name.endswith("scaling.offset")}
    assert untouched - counters - minima <= {"fold.json rate"}
