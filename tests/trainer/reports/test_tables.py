from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from emostream.trainer.reports.findings import best_other_fusion, chance, findings, not_comparable, other_data
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.tables import EmotionTable, MethodTable, tables_of
from tests.trainer.reports.samples import LABELS, facts, outcomes, preparation, run

EMOTION_TABLES = {"rml": "VII", "enterface05": "VIII", "baum1s": "IX", "ravdess": "emotions"}


def keys(dataset):
    return ["I", "II", "III", "IV", "V", "VI", EMOTION_TABLES[dataset], "X", "XI", "pooling", "scaling"]


def table(key, dataset="rml", made=None):
    return next(each for each in tables_of(dataset, made or run()) if each.key == key)


def with_predictions(made, **predicted):
    own = {**made.predicted, **{key.replace("_", "-"): value for key, value in predicted.items()}}
    return Outcomes(made.classes, made.recordings, made.subjects, made.folds, made.truth, own)


@pytest.mark.parametrize("dataset", EMOTION_TABLES)
def test_every_table_is_there(dataset):
    found = tables_of(dataset, run())
    assert [each.key for each in found] == keys(dataset)
    counts = {
        each.key: sum(row.key is not None for row in each.rows) for each in found if isinstance(each, MethodTable)
    }
    assert counts == {
        "I": 4,
        "II": 1,
        "III": 1,
        "IV": 2,
        "V": 6,
        "VI": 5,
        "X": 6,
        "XI": 1,
        "pooling": 2,
        "scaling": 3,
    }


def test_rows_stand_beside_the_papers_figures():
    rows = {row.key: row for row in table("I", "baum1s").rows}
    assert [rows[key].paper for key in ("audio-original", "audio", "video")] == [36.10, 42.26, 50.11]
    earlier = table("II", "enterface05").rows
    assert [row.paper for row in earlier] == [72.95, 72.40, 43.00, 54.99, 78.08]
    assert [row.scores is None for row in earlier] == [True, True, True, True, False]
    assert [row.difference is None for row in earlier] == [True, True, True, True, False]


def test_the_paper_is_compared_with_the_mean_over_folds():
    made = outcomes(subjects=4)
    first = made.subjects == "s1"
    folds = np.where(first, "small", "large")
    right = np.where(first, made.truth, (made.truth + 1) % 6)
    own = Outcomes(made.classes, made.recordings, made.subjects, folds, made.truth, {**made.predicted, "dbn-1": right})
    rows = {row.key: row for row in table("X", "baum1s", own).rows}
    assert rows["dbn-1"].scores.accuracy == pytest.approx(0.25)
    assert rows["dbn-1"].difference == pytest.approx(50 - 51.61)
    assert rows["dbn-1"].paper_within  # four subjects leave everything open
    assert rows["dbn-2"].difference == pytest.approx(100 * own.scores["dbn-2"].fold_mean - 54.57)
    assert rows["dbn-2"].paper_within is False


@pytest.mark.parametrize("dataset", ["ravdess", "savee"])
def test_other_data_sets_have_no_figures_of_the_paper(dataset):
    for each in tables_of(dataset, run()):
        for row in each.rows:
            if isinstance(each, EmotionTable):
                assert (row.printed, row.recovered) == (None, None)
            else:
                assert (row.paper, row.difference, row.paper_within) == (None, None, None)
                assert row.scores is not None


def test_the_papers_data_with_other_classes_has_none_of_its_figures():
    labels = (*LABELS[:5], "boredom")
    made = outcomes(labels)
    assert table("emotions", "baum1s", made).rows[5].emotion == "boredom"
    assert all(row.paper is None for row in table("VI", "baum1s", made).rows)


def test_emotions_equal_scikit_learn_and_stand_beside_the_papers():
    made = run()
    found = table("VII").rows
    ours = metrics.precision_recall_fscore_support(made.truth, made.predicted["dbn-2"], labels=range(6))
    for place, row in enumerate(found):
        expected = [column[place] for column in ours]
        figures = (row.ours.precision, row.ours.recall, row.ours.f_score, row.recordings)
        assert figures == pytest.approx(tuple(expected))
    anger = found[0]
    assert (anger.emotion, anger.printed.recall, round(anger.recovered.recall, 3)) == ("anger", 0.8870, 0.85)
    assert anger.recovered.precision == pytest.approx(anger.printed.recall, abs=1e-4)
    fear = next(row for row in table("IX", "baum1s").rows if row.emotion == "fear")
    assert fear.recovered.recall == pytest.approx(1 / 37)


def test_rows_as_good_as_the_best_are_named():
    made = outcomes(seed=3)
    right = made.truth
    slightly = right.copy()
    slightly[0] = (slightly[0] + 1) % 6
    wrong = (right + 1) % 6
    rules = {"majority": wrong, "max": right, "sum": slightly, "min": right, "average": slightly, "product": wrong}
    found = table("V", made=with_predictions(made, **rules))
    assert found.best == "Max"
    assert found.level == ("Sum", "Min", "Average")
    assert table("XI", made=made).best is None
    assert table("XI", made=made).level == ()


def test_findings_name_chance_and_what_may_be_chance():
    made = outcomes(seed=1)
    assert chance(made)[:2] == pytest.approx((1 / 6, 1 / 6))
    text = " ".join(findings(made, tables_of("rml", made)))
    assert "blind guess among 6 classes is right in 16.7 %." in text
    assert "the best single modality, audio: +" in text
    assert "the best other fusion, product (chosen by these same figures): +" in text
    assert "Not clearly above chance: audio-original." in text
    assert "6 subjects with replacement" in text
    assert "rough" in text
    same = with_predictions(made, dbn_2=made.predicted["product"])
    assert "other fusion, product (chosen by these same figures): +0.00 points" in (
        text := " ".join(findings(same, ()))
    )
    assert "within the interval: it may be chance" in text


def test_the_most_frequent_class_is_harder_to_beat():
    made = outcomes(seed=1)
    frequent = Outcomes(
        *(made.classes, made.recordings, made.subjects, made.folds),
        np.where(made.truth == 2, 3, made.truth),
        made.predicted,
    )
    blind, most, label = chance(frequent)
    assert (blind, most) == pytest.approx((1 / 6, 1 / 3))
    assert label == "joy"
    assert "saying always joy in 33.3 %" in findings(frequent, ())[0]


def test_recordings_without_a_decision_are_counted_aloud():
    text = " ".join(findings(run(), ()))
    assert "video 4 of 72" in text
    assert "without a decision" not in " ".join(findings(outcomes(), ()))


def test_one_subject_has_no_intervals():
    made = outcomes(subjects=1, each=24)
    text = " ".join(findings(made, tables_of("rml", made)))
    assert "no intervals" in text
    assert "nan" not in text
    assert "interval -" in text
    assert "Not clearly above chance" not in text


def test_best_other_fusion_is_no_form_of_dbn_2():
    made = outcomes()
    best = with_predictions(made, dbn_2_max=made.truth, audio=made.truth, dbn_2=made.truth)
    assert best_other_fusion(best) == "product"
    assert best_other_fusion(with_predictions(made, dbn_3=made.truth)) == "dbn-3"


def test_what_is_not_comparable():
    text = " ".join(not_comparable(facts()))
    for part in ("preset compact", "video network began with random", "figure 6", "table VII", "82.22", "2 of 74"):
        assert part in text
    assert "audio network began" not in text
    assert "folds were run" not in text
    groups = " ".join(not_comparable(facts("baum1s", protocol="five-groups", folds_of_all=5, folds={})))
    assert "0 of 5 folds" in groups
    assert "five groups" in groups
    (outside,) = not_comparable(facts("ravdess"))
    assert "no figures of data set ravdess" in outside


def test_a_data_set_of_another_size_is_not_taken_for_the_papers():
    assert other_data(facts()) == "Other data than the paper's: 720 recordings of 8 subjects there, 74 of 6 here."
    whole = preparation(found=720, found_by_subject={f"s{n}": 90 for n in range(8)})
    assert other_data(facts(preparation=whole)) == ""
    assert other_data(facts("ravdess")) == ""
