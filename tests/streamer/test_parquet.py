"""`--output events.parquet`: whole files that pandas reads, and nothing lost but a line, whatever happened."""

from __future__ import annotations

import itertools
import os
import random
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from emostream.engines.errors import ConfigError, PublishError
from emostream.streamer.config import Config
from emostream.streamer.outputs import parquet
from emostream.streamer.outputs.parquet import ParquetWriter
from emostream.streamer.protocol.events import (
    EmotionEvent,
    Pools,
    SegmentScores,
    UtteranceEvent,
    UtteranceRef,
    decode,
    encode,
)
from tests.streamer.running import demo_clip, one_line_error, run
from tests.streamer.samples import EMOTION, UTTERANCE
from tests.streamer.test_jsonlines import killed_while_writing

pd = pytest.importorskip("pandas", reason="reads the files as users do")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the parquet extra")

EXAMPLES = int(os.environ.get("EMOSTREAM_FUZZ_EXAMPLES", "5"))
LABELS = ("anger", "joy")
FILE = re.compile(r"events-\d{8}T\d{6}Z-\d{4}\.parquet")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Closing waits until all is done, on however busy a machine."""
    monkeypatch.setattr(parquet, "_CLOSE_S", 20.0)


def event(number: int) -> EmotionEvent:
    return replace(EMOTION, stream="desk", session="0" * 32, seq=number, media_time=float(number))


def read(folder: Path) -> pd.DataFrame:
    """Every file of a folder, in order; each must be whole by itself."""
    return pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))], ignore_index=True)


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write(path: Path, *messages: bytes) -> ParquetWriter:
    writer = ParquetWriter(path, LABELS)
    writer.open()
    for message in messages:
        writer.write(message)
    writer.close()
    return writer


def test_files_of_a_thousand_events(tmp_path):
    write(tmp_path / "events.parquet", *(encode(event(number)) for number in range(2500)))
    files = sorted(os.listdir(tmp_path))
    assert all(map(FILE.fullmatch, files))
    lengths = [pq.read_metadata(tmp_path / file).num_rows for file in files]
    assert lengths == [1000, 1000, 500]
    assert read(tmp_path)["seq"].tolist() == list(range(2500))


def test_a_file_after_some_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "SECONDS_PER_FILE", 0.2)
    writer = ParquetWriter(tmp_path / "events.parquet", LABELS)
    writer.open()
    try:
        writer.write(encode(event(0)))
        wait_for(lambda: list(tmp_path.glob("events-*.parquet")))
        writer.write(encode(event(1)))
        wait_for(lambda: len(list(tmp_path.glob("events-*.parquet"))) == 2)
        time.sleep(0.3)  # nothing comes, so no file does
    finally:
        writer.close()
    assert len(os.listdir(tmp_path)) == 2
    assert read(tmp_path)["seq"].tolist() == [0, 1]


def test_without_events_there_are_no_files(tmp_path):
    write(tmp_path / "events.parquet")
    assert os.listdir(tmp_path) == []


def test_the_columns(tmp_path):
    full = replace(
        event(1),
        latency_ms=80.5,
        published_at=1795269600.7,
        segment=SegmentScores("anger", {"anger": 0.75, "joy": 0.25}, "video"),
        utterance=UtteranceRef(4, 1795269599.5, Pools(1, 2, 1)),
        face=(1, 2, 30, 40),
        frame_size=(640, 480),
    )
    last = replace(UTTERANCE, stream="desk", session="0" * 32, seq=2)
    nothing = replace(event(3), label=None, scores=None, head=None)
    write(tmp_path / "events.parquet", *map(encode, (full, last, nothing)))
    table = read(tmp_path)
    one, two, three = (row.dropna().to_dict() for _, row in table.iterrows())
    assert (one["type"], two["type"]) == ("emotion", "utterance")
    assert str(table["t_start"].dtype) == "datetime64[us, UTC]"
    assert one["t_start"] == pd.Timestamp(full.t_start, unit="s", tz="UTC")
    assert one["published_at"].timestamp() == pytest.approx(1795269600.7)
    assert (one["label"], one["score_joy"], one["segment_label"], one["segment_score_anger"]) == (
        "joy", 0.81, "anger", 0.75,
    )  # fmt: skip
    assert (one["utterance_id"], one["pool_video"], one["latency_ms"]) == (4, 2, 80.5)
    assert (one["face_x"], one["face_height"], one["frame_width"], one["frame_height"]) == (1, 40, 640, 480)
    assert (one["video"], one["audio_reason"], one["dropped_segments"]) == (True, "no_voice", 0)
    assert (two["utterance_id"], two["utterance_segments"], two["pool_fused"]) == (37, 7, 5)
    assert not {"audio", "latency_ms", "face_x"} & set(two)
    assert not {"label", "score_joy", "segment_label", "utterance_id"} & set(three)


def test_the_columns_are_documented_and_the_same_without_scores(tmp_path):
    from emostream.streamer.outputs import parquet_table

    write(tmp_path / "one.parquet", encode(event(0)))
    write(tmp_path / "two.parquet", encode(replace(event(1), label=None, scores=None, head=None)))
    one, two = (pq.read_schema(file) for file in sorted(tmp_path.glob("*.parquet")))
    assert one == two
    for name in one.names:
        documented = re.sub(r"score_(anger|joy)", "score_LABEL", name)
        assert re.search(rf"\b{documented}\b", parquet_table.__doc__), name


def test_a_process_that_is_killed_loses_the_last_line_at_most(tmp_path):
    chance = random.Random(2)
    written = [killed_while_writing(tmp_path / "events.parquet", chance.uniform(0.0, 0.4)) for _ in range(EXAMPLES)]
    write(tmp_path / "events.parquet", encode(event(0)))
    assert all(map(FILE.fullmatch, os.listdir(tmp_path))), os.listdir(tmp_path)
    numbers = read(tmp_path)["seq"].tolist()
    starts = [place for place, number in enumerate(numbers) if number == 0] + [len(numbers)]
    sessions = [numbers[start:end] for start, end in itertools.pairwise(starts)]
    assert [numbers == list(range(len(numbers))) for numbers in sessions] == [True] * (EXAMPLES + 1)
    for numbers, count in zip(sessions, [*written, 1], strict=True):
        assert len(numbers) in (count, count + 1)  # it may be killed before it says so


def test_what_was_left_is_made_a_file_but_not_what_another_process_writes(tmp_path):
    path = tmp_path / "events.parquet"
    (tmp_path / ".events-20260101T000000Z-0003.jsonl").write_bytes(encode(event(7)) + b"\n" + encode(event(8))[:50])
    (tmp_path / ".events-20260101T000000Z-0004.jsonl").touch()
    (tmp_path / ".events-more-20260101T000000Z-0001.jsonl").write_text("another's")
    other = ParquetWriter(path, LABELS)
    other.open()
    other.write(encode(event(100)))
    others = set(tmp_path.glob(".events-2*.jsonl")) - {tmp_path / ".events-20260101T000000Z-0003.jsonl"}
    write(path, encode(event(9)))
    assert set(read(tmp_path)["seq"]) == {7, 9}
    assert {file for file in others if file.exists() and file.stat().st_size} == set(tmp_path.glob(".events-2*.jsonl"))
    assert pd.read_parquet(tmp_path / "events-20260101T000000Z-0003.parquet")["seq"].tolist() == [7]
    other.close()
    assert set(read(tmp_path)["seq"]) == {7, 9, 100}
    assert [file.name for file in tmp_path.glob(".*")] == [".events-more-20260101T000000Z-0001.jsonl"]


def test_a_file_that_fails_is_made_later(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(parquet, "EVENTS_PER_FILE", 1)
    writes, failed = pq.write_table, threading.Event()

    def full(*args, **options):
        monkeypatch.setattr(pq, "write_table", writes)
        failed.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    writer = ParquetWriter(tmp_path / "events.parquet", LABELS)
    writer.open()
    writer.write(encode(event(0)))
    assert failed.wait(10)
    writer.write(encode(event(1)))
    writer.close()
    assert "No space left on device); its events stay in" in caplog.text
    assert sorted(read(tmp_path)["seq"]) == [0, 1]
    assert all(map(FILE.fullmatch, [file for file in os.listdir(tmp_path) if ".part." not in file]))


def test_closing_never_waits_long(tmp_path, monkeypatch, caplog):
    release = threading.Event()
    monkeypatch.setattr(parquet, "_CLOSE_S", 0.2)
    monkeypatch.setattr(parquet, "_write", lambda *_: release.wait(10))
    begun = time.monotonic()
    writer = write(tmp_path / "events.parquet", encode(event(0)))
    assert time.monotonic() - begun < 2.0
    assert "left in a journal; the next start" in caplog.text
    (journal,) = tmp_path.glob(".events-*.jsonl")
    assert decode(journal.read_bytes().strip()) == event(0)
    release.set()
    writer._thread.join(10)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(PublishError, match="can't write events to"):
        ParquetWriter(tmp_path / "missing" / "events.parquet", LABELS).open()


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r'pip install "emostream\[parquet\]"'):
        ParquetWriter(tmp_path / "events.parquet", LABELS).open()


@pytest.mark.parametrize("name", ["-.parquet", ".parquet", "/tmp/.parquet"])
def test_standard_output_takes_no_parquet(name):
    with pytest.raises(ConfigError, match="Parquet needs files and can't go to standard output"):
        Config(output=name)


def test_the_command(tmp_path, bundle_folder):
    clip = demo_clip(tmp_path, 3.0)
    for name in ("events.parquet", "events.jsonl"):
        done = run("--input", clip, "--bundle", bundle_folder, "--fast", "--output", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert "left in a journal" not in done.stderr
    table = read(tmp_path)
    events = [decode(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    assert table["seq"].tolist() == [e.seq for e in events]
    assert table["type"].tolist() == ["utterance" if isinstance(e, UtteranceEvent) else "emotion" for e in events]
    assert [c for c in table if c.startswith("score_")] == [f"score_class-{n}" for n in range(1, 7)]
    assert table["score_class-1"].dropna().tolist() == [e.scores["class-1"] for e in events if e.scores]
    error = one_line_error(run("--input", clip, "--output", "/nowhere/events.parquet"))
    assert "/nowhere/" in error
