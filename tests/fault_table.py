"""The README's table of faults, made of the tests that inject them: `python -m tests.fault_table` writes it.

A test says what it proves with `@pytest.mark.fault(what, how, outcome)`: what fails, how the test makes it fail, and
what it asserts to happen then.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

__all__ = ["Row", "documented", "rows", "table", "write"]

Row = tuple[str, str, str]

TESTS = Path(__file__).parent
README = TESTS.parent / "README.md"
_BEGIN, _END = "<!-- faults: python -m tests.fault_table -->\n", "<!-- /faults -->\n"


def rows() -> list[Row]:
    """What, how and outcome of every marked test, by file and line."""
    found = []
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    what, how, outcome = (ast.literal_eval(argument) for argument in mark.args)
                    found.append((what, how, outcome))
    return found


def table() -> str:
    """The table in Markdown, faults of one kind together."""
    order = {what: place for place, (what, *_) in reversed(list(enumerate(rows())))}
    lines = ["| what fails | how the tests make it fail | what happens |", "|---|---|---|"]
    ordered = sorted(rows(), key=lambda row: order[row[0]])
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in ordered)]) + "\n"


def documented() -> str:
    """The table that the README has."""
    return README.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]


def write() -> None:
    """Put the table into the README."""
    text = README.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    README.write_text(pattern.sub(lambda _: _BEGIN + table() + _END, text), encoding="utf-8")


if __name__ == "__main__":
    write()
