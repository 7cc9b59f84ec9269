"""The latency benchmark: a short real run, and what it says about runs that are not clean. No test looks at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import latency
from benchmarks.latency_report import LATENCY_STAGES, problems
from benchmarks.session import Arrival, Sample, Session
from benchmarks.tables import Summary, quantile
from emostream.engines.frontend.grid import segment_count
from emostream.streamer.protocol import events
from tests.media_files import write_media

ROOT = Path(__file__).parents[2]
T0 = 1_795_269_600.0


def emotion(index: int, *, seq: int | None = None, dropped: int = 0, latency_ms: float = 40.0) -> events.EmotionEvent:
    start = 0.3 * index
    return events.EmotionEvent(
        seq=index if seq is None else seq,
        t_start=T0 + start,
        t_end=T0 + start + 0.655,
        media_time=start + 0.655,
        latency_ms=latency_ms,
        label=None,
        scores=None,
        head=None,
        segment=None,
        utterance=None,
        modalities=events.Modalities(audio=False, video=False),
        reason=events.Reasons(audio="off", video="no_face"),
        face=None,
        frame_size=None,
        dropped=events.Dropped(segments=dropped),
    )


def status() -> events.StatusEvent:
    return events.StatusEvent(
        time=T0,
        clock_jump_s=0.0,
        uptime_s=1.0,
        state="running",
        rates=events.Rates(frames_per_s=30.0, faces_per_s=0.0, audio_per_s=0.0, segments_per_s=3.3),
        levels=events.Levels(audio_dbfs=None, brightness=90.0, speech=None, face=False),
        queues={"frames": 0},
        latency_ms=None,
        stages_ms={"wait": 10.0, "queue": 1.0, "inference": 20.0, "publish": 1.0, "vision": 4.0},
        dropped=events.Dropped(),
        engine=events.EngineInfo(name="openvino", device="CPU", precision="fp32"),
        bundle=events.BundleInfo(name="test", preset="compact", trained=False, sha256="0" * 64),
        sources=events.SourceStates(audio="off", video="running"),
    )


def session(received: list[events.EmotionEvent], *, exit_code: int = 0, missed: int = 0) -> Session:
    arrivals = [Arrival(event, event.t_end + 0.041) for event in received]
    return Session(
        arrivals=[*arrivals, Arrival(status(), T0 + 5.0)],
        samples=[Sample(T0 - 1.0 + n / 10, n / 20, 10**8 + n, None, 7.0 + n / 10) for n in range(60)],
        started_at=T0 - 1.0,
        exit_code=exit_code,
        missed=missed,
        sessions=1,
        load_average=(0.0, 0.0, 0.0),
        command="python -m emostream",
    )


def test_a_short_run_reports_itself(bundle_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    command = ["-m", "benchmarks.latency", "--bundle", str(bundle_folder), "--seconds", "4"]
    done = subprocess.run(
        [sys.executable, *command, "--output", str(tmp_path / "out"), "--name", "short"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "short.md").read_text(encoding="utf-8")
    raw = (tmp_path / "out" / "short.json").read_text(encoding="utf-8")
    report = json.loads(raw)

    assert report["clean"]
    assert report["problems"] == []
    counts = report["events"]
    assert counts["expected"] == counts["emotion"] == len(report["series"]) == segment_count(report["clip"]["seconds"])
    assert (counts["first_seq"], counts["missed"]) == (0, 0)
    assert counts["utterance"] >= 1
    assert report["clip"]["frames"] == 120
    assert report["clip"]["frame_size"] == [640, 480]
    assert report["bundle"]["preset"] == "compact"
    assert not report["bundle"]["trained"]

    latencies = sorted(row[1] for row in report["series"])
    everything = report["latency_ms"]["all"]
    assert everything["count"] == report["subscriber_ms"]["all"]["count"] == len(latencies)
    assert everything["p95"] == quantile(latencies, 0.95)
    assert everything["min"] <= everything["p50"] <= everything["p95"] <= everything["p99"] <= everything["max"]
    later = report["latency_ms"]["after the first 10"]
    assert (later["count"] if later else 0) == max(0, len(latencies) - 10)
    groups = [each for name, each in report["latency_ms"].items() if name not in ("all", "after the first 10")]
    assert sum(each["count"] for each in groups) == len(latencies)

    stages = report["stages_ms"]
    assert {*LATENCY_STAGES, "vision", "audio", "segment"} <= stages.keys()
    total = sum(stages[stage] for stage in LATENCY_STAGES) + report["rest_ms"]
    assert total == pytest.approx(everything["mean"], abs=0.01)
    assert report["cpu"]["cpu_s_playing"] > 0
    assert report["memory_mb"]["peak_sampled"] > 0
    start = report["start_s"]
    assert start["first_event"] - start["first_event_minus_its_segment"] == pytest.approx(0.655, abs=0.002)

    assert "The run was clean" in text
    assert report["machine"]["processor"] in text
    assert "benchmarks.latency --bundle compact --seconds 4" in text
    for told in (text, raw):
        assert str(tmp_path) not in told
        assert str(bundle_folder.parent) not in told
        assert str(ROOT) not in told
    assert (tmp_path / "out" / "short.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_is_not_clean_says_so_and_fails(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    clip = write_media(tmp_path / "clip.mkv", seconds=2.0)
    received = [emotion(index) for index in range(4)]  # of five
    monkeypatch.setattr(latency, "run_session", lambda *_: session(received))
    options = ["--clip", str(clip), "--bundle", str(bundle_folder), "--output", str(tmp_path), "--name", "torn"]
    done = CliRunner().invoke(latency.app, options)
    assert done.exit_code == 1, done.output
    report = json.loads((tmp_path / "torn.json").read_text(encoding="utf-8"))
    assert not report["clean"]
    assert report["problems"] == ["4 segments were received, the grid rule gives 5"]
    assert "**The run was not clean**: 4 segments" in (tmp_path / "torn.md").read_text(encoding="utf-8")
    assert report["cpu"]["percent_of_one_core"] == pytest.approx(50.0, abs=0.1)
    assert report["cpu"]["others_percent_of_one_core"] == pytest.approx(50.0, abs=0.1)


def test_a_clean_session_has_no_problems() -> None:
    assert problems(session([emotion(index) for index in range(5)]), 5) == []


@pytest.mark.parametrize(
    ("torn", "said"),
    [
        (session([emotion(n) for n in range(5)], exit_code=3), "exit code 3"),
        (session([emotion(n) for n in range(5)], missed=2), "2 events are missing"),
        (session([emotion(n, seq=n + 1) for n in range(5)]), "has number 1, expected 0"),
        (session([emotion(n) for n in (0, 1, 2, 4, 5)]), "segment 3 ends at"),
        (session([emotion(n, dropped=1) for n in range(5)]), "1 segments and 0 frames were dropped"),
        (session([emotion(n) for n in range(6)]), "6 segments were received, the grid rule gives 5"),
    ],
)
def test_what_is_not_clean_is_named(torn: Session, said: str) -> None:
    assert any(said in problem for problem in problems(torn, 5))


def test_quantiles_are_nearest_ranks() -> None:
    summary = Summary.of(float(value) for value in range(100, 0, -1))
    assert summary is not None
    assert (summary.p50, summary.p95, summary.p99, summary.max) == (50.0, 95.0, 99.0, 100.0)
    assert Summary.of([]) is None
