"""A few examples of every target of `python -m benchmarks.fuzz`; EMOSTREAM_FUZZ_EXAMPLES says how many."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import watched
from benchmarks.fuzz.__main__ import markdown
from benchmarks.fuzz.target import Target
from benchmarks.fuzz.targets import TARGETS
from benchmarks.fuzz.watched import fuzz

USUAL = {
    "bundle": 300,
    "config": 300,
    "event": 500,
    "frontend": 60,
    "media": 200,
    "network": 40,
    "recording": 100,
    "replay": 500,
}


def examples(name: str) -> int:
    return int(os.environ.get("EMOSTREAM_FUZZ_EXAMPLES", USUAL[name]))


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.native])
def test_what_is_damaged_is_read_or_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    target = TARGETS[name]
    derandomize = "CI" in os.environ or "EMOSTREAM_REQUIRE_ALL" in os.environ

    @settings(
        max_examples=examples(name),
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases())
    def check(case):
        target.check(*case)

    check()


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.native])
def test_what_is_damaged_neither_ends_nor_holds_up_the_process(name, tmp_path):
    outcome = fuzz(name, examples(name), tmp_path)
    assert not outcome.failures, [file.read_text() for file in tmp_path.iterdir()]
    assert 0 < outcome.taken < outcome.examples
    assert outcome.rss_mb[1] < 1000


@pytest.mark.parametrize("name", TARGETS)
def test_sound_input_is_read(name, tmp_path, monkeypatch):
    """Else a target could refuse everything, and nobody would see."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for case in TARGETS[name].sound():
        assert TARGETS[name].check(*case)


def _harm(kind: str) -> bool:
    if kind == "end":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "hang":
        signal.pause()
    elif kind == "raise":
        raise KeyError("surprise")
    return True


@pytest.mark.parametrize(
    ("kind", "said"),
    [("end", "the process ended with code -9"), ("hang", "no end within"), ("raise", "KeyError: 'surprise'")],
)
def test_what_goes_wrong_is_found_with_its_input(kind, said, tmp_path, monkeypatch):
    target = Target("harm", lambda: st.tuples(st.just(kind)), _harm, list)
    monkeypatch.setattr(watched, "_target", lambda name: target)
    monkeypatch.setattr(watched, "_HANG_S", 0.3)
    monkeypatch.setattr(watched, "_START_METHOD", "fork")  # so that the child has the changes above
    outcome = fuzz("harm", 3, tmp_path)
    assert len(outcome.failures) == 1
    assert said in outcome.failures[0]
    (saved,) = Path(tmp_path).iterdir()
    assert saved.name in outcome.failures[0]
    assert saved.read_text() == repr((kind,))


def test_the_page_has_a_row_for_each_target():
    row = {"examples": 5, "taken": 2, "slowest_ms": 1.0, "rss_mb": (1.0, 2.0), "failures": ["KeyError (x.txt)"]}
    page = markdown({"event": {**row, "date": "today", "command": "python -m benchmarks.fuzz"}})
    assert "| event | " in page
    assert "- event: KeyError (x.txt)" in page
