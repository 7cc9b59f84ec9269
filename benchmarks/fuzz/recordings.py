"""Damaged recordings, read back for a report, for subtitles and for ELAN."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from hypothesis import strategies as st

from benchmarks.fuzz.mutations import edited_json, mutated
from benchmarks.fuzz.target import Case, Target, scratch, taken
from benchmarks.fuzz.texts import seed_events
from emostream.engines.errors import SourceError
from emostream.streamer.annotate.eaf import eaf_of
from emostream.streamer.annotate.vtt import vtt_lines
from emostream.streamer.eventlog.inputs import events_source
from emostream.streamer.eventlog.timeline import TimelineBuilder
from emostream.streamer.review.columns import SessionColumns
from emostream.streamer.review.report_page import Report, render

__all__ = ["RECORDING"]

_DESCRIPTION = b"""{"format": 1, "started": "2026-11-28T07:42:05.000Z", "ended": null, "emostream": "0.1.0",
 "bundle": {"name": "starter", "preset": "compact", "trained": true, "sha256": "00", "labels": ["anger", "joy"]},
 "engine": {"name": "openvino", "device": "CPU", "precision": "bf16"}, "streams": []}"""


def _cases() -> st.SearchStrategy[Case]:
    seeds = seed_events()
    line = st.one_of(st.sampled_from(seeds), edited_json(seeds), mutated(seeds), st.binary(max_size=40))
    lines = st.lists(line, max_size=12).map(b"\n".join)
    description = st.one_of(st.just(_DESCRIPTION), edited_json([_DESCRIPTION]), mutated([_DESCRIPTION]))
    return st.tuples(lines, description)


def _check(lines: bytes, description: bytes) -> bool:
    """Whatever is read can be shown, in each of the three forms."""
    folder = scratch() / "recording"
    folder.mkdir(exist_ok=True)
    (folder / "events.jsonl").write_bytes(lines)
    (folder / "recording.json").write_bytes(description)
    return taken(lambda: _show(folder), SourceError)


def _show(folder: Path) -> None:
    source = events_source(folder)
    assert source is not None
    sessions = list(source.file.sessions())
    columns = {session: SessionColumns(*session) for session in sessions}
    builders = {session: TimelineBuilder() for session in sessions}
    for event in source.file:
        session = next(session for session in sessions if session == (event.stream, event.session))
        columns[session].add(event)
        builders[session].add(event)
    for builder in builders.values():
        line = builder.finish()
        for spans in (line.utterances, line.no_face, line.no_voice, line.missing):
            assert all(span.start < span.end for span in spans), spans
        "".join(vtt_lines(line)).encode()
        ET.fromstring(ET.tostring(eaf_of(line, media=None, target=folder / "out.eaf")))
    page = render(Report("a", "b", list(columns.values()), skipped=source.file.skipped, description=source.description))
    assert page.encode().count(b"<script") == 2


RECORDING = Target(
    "damaged events and descriptions of recordings, shown as a page, as subtitles and as tiers",
    _cases,
    _check,
    lambda: [(b"\n".join(seed_events()), _DESCRIPTION)],
)
