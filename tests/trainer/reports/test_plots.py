from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from emostream.trainer.reports.paper import PAPER
from emostream.trainer.reports.plots import draw, draw_matrix
from tests.trainer.reports.samples import LABELS, run


def drawn(counts, classes):
    """Labels of both axes, and the text of each cell by row and column."""
    axes = Figure().add_subplot()
    draw_matrix(axes, np.array(counts), classes, "heading")
    columns = [label.get_text() for label in axes.get_xticklabels()]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    cells = {
        (rows[round(text.get_position()[1])], columns[round(text.get_position()[0])]): text.get_text()
        for text in axes.texts
    }
    lowest, highest = axes.get_ylim()
    assert lowest > highest  # the first row is on top
    return rows, columns, cells


def test_rows_are_true():
    rows, columns, cells = drawn([[3, 1], [0, 6]], ["joy", "fear"])
    assert rows == columns == ["joy", "fear"]
    assert cells == {
        ("joy", "joy"): "75.0\n3",
        ("joy", "fear"): "25.0\n1",
        ("fear", "joy"): "0.0\n0",
        ("fear", "fear"): "100.0\n6",
    }


def test_the_papers_figure_is_turned():
    *_, cells = drawn(PAPER["rml"].confusion(LABELS), LABELS)
    assert cells["joy", "fear"] == "25.0\n30"  # true joy, taken for fear
    assert cells["fear", "joy"] == "13.3\n16"


def test_no_decision_has_a_column_where_there_is_any():
    _, columns, cells = drawn([[3, 0, 1], [0, 6, 0]], ["joy", "fear"])
    assert columns == ["joy", "fear", "no decision"]
    assert cells["joy", "no decision"] == "25.0\n1"
    _, columns, _ = drawn([[4, 0, 0], [0, 6, 0]], ["joy", "fear"])
    assert columns == ["joy", "fear"]


def test_a_class_without_recordings_has_no_shares():
    *_, cells = drawn([[0, 0], [1, 1]], ["joy", "fear"])
    assert cells["joy", "joy"] == cells["joy", "fear"] == "-"
    assert cells["fear", "joy"] == "50.0\n1"


def test_pictures_of_a_data_set_in_and_outside_of_the_paper(tmp_path):
    names = ["confusion-audio.png", "confusion-video.png", "confusion-dbn-2.png", "confusion-product.png"]
    found = draw(tmp_path, "BAUM-1s", run(), PAPER["baum1s"])
    assert [file.name for file in found] == ["methods.png", "figure-8.png", *names]
    assert [file.name for file in draw(tmp_path, "other", run(), None)] == ["methods.png", *names]
