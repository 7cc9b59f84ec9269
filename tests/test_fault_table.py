"""The README's table of faults is that of the tests."""

from __future__ import annotations

from tests.fault_table import documented, rows, table


def test_the_readme_has_the_table_of_the_tests():
    assert documented() == table(), "the fault tests have changed: run `python -m tests.fault_table`"


def test_every_fault_is_told_whole():
    assert len(rows()) >= 20
    for row in rows():
        assert all(isinstance(cell, str) and cell and "|" not in cell for cell in row), row
