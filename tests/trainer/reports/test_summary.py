from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from emostream.trainer.reports.summary import summary
from tests.trainer.reports.samples import facts, run
from tests.trainer.reports.test_tables import keys


def printed(described, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width).print(summary(described, run()))
    return stream.getvalue()


@pytest.mark.parametrize("dataset", ["rml", "baum1s"])
def test_all_tables_are_printed(dataset):
    text = printed(facts(dataset))
    assert [key for key in keys(dataset)[:-2] if f"Table {key}. " not in text] == []
    assert "Pooling of the DBN's features" in text
    assert "Inputs and pre-training of the DBN" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_rows_have_our_figures_and_the_papers():
    text = printed(facts(), width=120)
    row = next(line for line in text.splitlines() if line.strip().startswith("Product"))
    scores = run().scores["product"]
    assert row.split()[1:6] == [
        f"{100 * scores.accuracy:.2f}",
        f"{100 * scores.interval[0]:.1f}",
        "to",
        f"{100 * scores.interval[1]:.1f}",
        f"{100 * scores.fold_mean:.2f}",
    ]
    assert row.split()[6:8] == ["74.60", f"{100 * scores.fold_mean - 74.60:+.2f}"]
    assert re.search(r"Gao et al\. \[36\], prosody +51\.04", text)
    assert re.search(r"joy .* 59\.17", text)


def test_shortenings_and_chance_come_last_where_they_are_seen():
    text = printed(facts())
    end = text[text.rindex("RML") :]
    assert "Shortened: The audio network trained for 2 epochs; recipe paper has 300." in end
    assert "Other data than the paper's" in end
    assert "blind guess" in end


def test_outside_of_the_paper_there_is_no_column_for_it():
    tables = printed(facts("ravdess")).rpartition("ravdess")[0]
    assert "diff." not in tables
    assert "Gao" not in tables
    assert "recall" in tables
