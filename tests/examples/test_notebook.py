"""The notebook runs on what `--output` writes, JSON Lines and Parquet, and says what is in it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from emostream.streamer.outputs.parquet import ParquetWriter
from emostream.streamer.protocol.events import EmotionEvent, UtteranceEvent, encode
from tests.examples.broadcast import EXAMPLES, Broadcast, Result

nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel")
pytest.importorskip("pandas", reason="the notebook needs pandas")

NOTEBOOK = EXAMPLES / "recording.ipynb"
# Beside the last cell's output: the table, for the test to look into.
ASKED = "print('ASKED', table.drop(columns=[n for n in table if n in UNIX_TIMES]).to_json(orient='records'))"


def ran(recording: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int, list[dict[str, Any]]]:
    """Its text, the number of its pictures, and its table."""
    monkeypatch.setenv("EMOSTREAM_RECORDING", str(recording))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(ASKED))
    client = nbclient.NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(recording.parent)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    asked = next(text for text in texts if text.startswith("ASKED"))
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    warnings = [output.text for output in outputs if output.get("name") == "stderr"]
    assert warnings == []
    return "\n".join(texts), pictures, json.loads(asked.removeprefix("ASKED"))


def agreement(events: list[Result]) -> Counter[tuple[str, str, bool]]:
    """How often a segment's label is the one that its utterance ended with, by both heads."""
    ends = {event.id: event for event in events if isinstance(event, UtteranceEvent)}
    return Counter(
        (event.segment.head, ends[event.utterance.id].head, event.segment.label == ends[event.utterance.id].label)
        for event in events
        if isinstance(event, EmotionEvent) and event.segment and event.utterance
    )


def agreement_said(text: str) -> dict[tuple[str, str], tuple[float, int]]:
    """The table of the notebook; a head that is the one of the line above is left out in it."""
    found, head = {}, ""
    for line in re.findall(r"^(audio|video|fused)? +(audio|video|fused) +([0-9.]+) +([0-9]+)$", text, re.MULTILINE):
        head = line[0] or head
        found[head, line[1]] = float(line[2]), int(line[3])
    return found


def test_json_lines_of_a_live_session(events: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Broadcast(events) as broadcast:
        while len(broadcast.sent) < len(events):
            time.sleep(0.02)
        broadcast.stop()
    sent = broadcast.sent[: len(events)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(encode(event) + b"\n" for n, event in enumerate(sent) if n not in (7, 8, 20)))
    kept = [event for n, event in enumerate(sent) if n not in (7, 8, 20)]
    text, pictures, table = ran(file, monkeypatch)
    assert "events that are missing: 3" in text
    assert pictures == 3  # scores, confusion, latency
    latencies = sorted(event.latency_ms for event in kept if isinstance(event, EmotionEvent))
    p50 = re.search(r"^p50 +([0-9.]+)$", text, re.MULTILINE)
    assert p50 is not None
    assert latencies[len(latencies) // 2 - 1] - 1e-3 <= float(p50[1]) <= latencies[len(latencies) // 2] + 1e-3
    counted = agreement(kept)
    said = agreement_said(text)
    assert said.keys() == {(one, other) for one, other, _ in counted}
    for (one, other), (share, segments) in said.items():
        assert segments == counted[one, other, True] + counted[one, other, False]
        assert share == pytest.approx(counted[one, other, True] / segments, abs=1e-5)
    assert [row["label"] for row in table] == [event.label for event in kept]


def test_parquet_is_the_same_table(
    recording: Path, events: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("pyarrow", reason="needs the parquet extra")
    writer = ParquetWriter(tmp_path / "parquet" / "events.parquet", list(events[3].scores or ()))
    (tmp_path / "parquet").mkdir()
    writer.open()
    for event in events:
        writer.write(encode(event))
    writer.close()
    files = list((tmp_path / "parquet").glob("*.parquet"))
    assert len(files) == 1
    text, pictures, table = ran(files[0], monkeypatch)
    assert "events that are missing: 0" in text
    assert "no latencies: played with --fast" in text
    assert pictures == 2
    rows = [json.loads(line) for line in recording.read_text().splitlines()]
    assert [(row["seq"], row["label"], row["media_time"]) for row in table] == [
        (row["seq"], row["label"], row["media_time"]) for row in rows
    ]
    assert flat_columns(recording) == set(table[0])


def flat_columns(recording: Path) -> set[str]:
    """The columns that the notebook's own reader makes of JSON Lines."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    reader = next("".join(cell["source"]) for cell in cells if "def read_json_lines" in "".join(cell["source"]))
    names: dict[str, Any] = {}
    exec("import json\nimport pandas as pd\n" + reader.split("if not RECORDING")[0], names)
    table = names["read_json_lines"](recording)
    return set(table.columns) - set(names["UNIX_TIMES"]) - {"utterance_t_start"}


def test_it_is_committed_without_outputs():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
