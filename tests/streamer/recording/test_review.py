"""`emostream review`: one page that tells what was recorded, and holds all it needs."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from msgspec.structs import replace

from emostream.engines.errors import ConfigError, PublishError, SourceError
from emostream.engines.starter import STARTER
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.eventlog.reader import EventsFile
from emostream.streamer.protocol.events import Dropped, Modalities, Reasons, decode, encode
from emostream.streamer.review.charts import apart_chart, recognised_chart
from emostream.streamer.review.columns import Bins, SessionColumns
from emostream.streamer.review.figures import clock, find_gaps, latency_quantiles
from emostream.streamer.review.report_page import Report, render
from emostream.streamer.review.run import review
from tests.streamer.recording.clips import events_in, the_one
from tests.streamer.running import emotions, one_line_error, run
from tests.streamer.samples import EMOTION, UTTERANCE

_VOID = {"meta", "link", "br", "path", "rect", "img"}


class Page(HTMLParser):
    """What a page is made of; tags that don't match are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.words.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def segment(n: int, **changes):
    base = replace(
        EMOTION, stream="desk", session="0" * 32, seq=n, media_time=round(0.655 + 0.3 * n, 6),
        t_start=1.7e9 + 0.3 * n, t_end=1.7e9 + 0.3 * n + 0.655, latency_ms=40.0 + n % 10,
    )  # fmt: skip
    return replace(base, **changes)


NOTHING = {
    "label": None, "scores": None, "head": None,
    "reason": Reasons("no_voice", "no_face"), "modalities": Modalities(False, False),
}  # fmt: skip


def session_of(events) -> SessionColumns:
    session = SessionColumns("desk", "0" * 32)
    for event in events:
        session.add(event)
    return session


def page_of(*sessions: SessionColumns, **more) -> str:
    return render(Report("Recording", "events.jsonl", sessions, **more))


def test_a_recording_and_its_clip(tmp_path, clip):
    done = run("--input", clip, "--fast", "--record", tmp_path / "all", "--record-media")
    assert done.returncode == 0, done.stderr
    recording = the_one(tmp_path / "all")
    events = events_in(recording / "events.jsonl")
    (tmp_path / "events.jsonl").write_bytes((recording / "events.jsonl").read_bytes())
    for source, heads in ((tmp_path / "all", True), (tmp_path / "events.jsonl", False), (clip, True)):
        done = run("review", source, "--output", tmp_path / "report.html")  # an earlier report is replaced
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "report.html").read_text()
        page = Page(text)
        assert f"made {tmp_path / 'report.html'}: {len(emotions(events))} segments" in done.stdout
        assert ("starter" in page.text) == (source.suffix != ".jsonl")
        assert ("by the voice" in page.text) == heads
        assert ("openvino" in page.text) == (source.suffix != ".jsonl")
        for final in (event for event in events if event["type"] == "utterance"):
            assert final["label"] in page.text


def test_it_needs_nothing_else_and_is_told_to_everyone():
    text = page_of(session_of(segment(n) for n in range(30)))
    page = Page(text)
    assert not re.findall(r"(?:https?:)?//[a-z]", text)
    assert not [
        a
        for tag in ("script", "link", "img", "iframe")
        for a in page.of(tag)
        if a.get("src") or a.get("href", "data:,") != "data:,"
    ]
    assert "default-src 'none'" in text
    assert page.of("html")[0]["lang"] == "en"
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    charts, tables = page.of("figure"), page.of("table")
    assert len(charts) == 2  # one for the scores, one for the latency
    assert len(page.of("caption")) == len(tables) >= 4
    assert all(chart["tabindex"] == "0" and chart["aria-labelledby"] and chart["aria-describedby"] for chart in charts)
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.of("svg"))
    assert all(header.get("scope") in ("col", "row") for header in page.of("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for chart in charts:
        for name in ("aria-labelledby", "aria-describedby"):
            assert chart[name] in ids


def contrast(one: str, other: str) -> float:
    """WCAG 2's."""

    def luminance(colour):
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_stand_out_in_light_and_in_dark():
    style = page_of(session_of([segment(0)])).partition("<style>")[2].partition("</style>")[0]
    for theme in re.findall(r":root \{(.*?)\}", style, re.DOTALL):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        assert len(colours) == 19
        for name, colour in colours.items():
            if name in ("ink", "quiet", "link"):
                assert contrast(colour, colours["page"]) >= 4.5, name
                assert contrast(colour, colours["lane"]) >= 4.5, name
            elif re.fullmatch(r"c\d", name):  # words stand in them
                assert contrast(colour, colours["page"]) >= 4.5, name
                assert contrast(colour, colours["lane"]) >= 3.0, name
            elif name not in ("page", "edge", "lane"):
                assert contrast(colour, colours["lane"]) >= 3.0, name


def test_what_files_say_is_text_and_no_markup():
    evil = "<script>alert(1)</script>"
    session = session_of(
        [segment(0, label=evil, scores={evil: 1.0}), replace(UTTERANCE, seq=1, label=evil, scores={evil: 1.0})]
    )
    text = page_of(session, description={"started": evil, "bundle": {"name": evil, "preset": "</style>"}, "engine": 3})
    assert "<script>alert" not in text
    assert "</style>" in text
    assert text.count("</style>") == 1
    assert evil in Page(text).text


def test_gaps_and_missing_numbers():
    events = [segment(n) for n in range(5)]
    events += [segment(n, **NOTHING) for n in range(5, 12)]
    events += [segment(n, seq=n + 4, reason=Reasons("no_voice", "source_lost")) for n in range(12, 20)]
    events += [segment(n, seq=n + 4, dropped=Dropped(3, 2, 41.0)) for n in range(60, 70)]  # nothing came in between
    session = session_of(events)
    gaps = find_gaps(session)
    assert gaps.totals["no face"] == (1, pytest.approx(7 * 0.3))
    assert gaps.totals["camera lost"] == (1, pytest.approx(8 * 0.3))
    listed = {gap.what: gap for gap in gaps.listed}
    assert listed["no face"].start == pytest.approx(0.1775 + 5 * 0.3)
    assert sum(gap.what == "events missing" for gap in gaps.listed) == 2
    assert [count for _, count in session.missing] == [4, 40]
    text = Page(page_of(session)).text
    assert "camera lost" in text
    assert "40 numbers" in text
    assert "segments dropped 3" in text
    assert "41 ms" in text


def test_a_run_of_nothing_does_not_reach_over_missing_segments():
    session = session_of([segment(n, **NOTHING) for n in (0, 1, 2, 30, 31)])
    assert find_gaps(session).totals["no face"] == (2, pytest.approx(5 * 0.3))


def test_thinning_keeps_the_lowest_and_the_highest():
    rng = np.random.default_rng(1)
    n = 20_000
    values = rng.random(n).astype(np.float32)
    values[rng.random(n) < 0.2] = np.nan
    middles = 0.3275 + 0.3 * np.arange(n)
    bins = Bins(middles, middles[-1] + 0.15)
    assert (bins.count, bins.thinned, bins.filled.sum()) == (900, True, n)
    band = bins.band(values)
    for column in range(0, bins.count, 37):
        inside = values[(middles >= column * bins.width_s) & (middles < (column + 1) * bins.width_s)]
        assert band.low[column] == np.nanmin(inside)
        assert band.high[column] == np.nanmax(inside)
        assert band.mean[column] == pytest.approx(np.nanmean(inside), abs=1e-6)
    few = Bins(middles[:40], middles[39] + 0.15)
    assert not few.thinned
    assert few.filled.max() == 1


def test_quantiles_are_those_of_all():
    session = session_of(segment(n, latency_ms=None if n == 7 else float(n)) for n in range(101))
    assert latency_quantiles(session) == {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert latency_quantiles(session_of([segment(0, latency_ms=None)])) == {}


def test_where_the_heads_disagree():
    session = SessionColumns("clip", "0", ("anger", "joy"))
    for n in range(20):
        session.add(segment(n))
        if n < 5:
            session.add_heads(None, None)
        else:
            session.add_heads(
                {"anger": 0.9, "joy": 0.1}, {"anger": 0.8, "joy": 0.2} if n < 15 else {"anger": 0.1, "joy": 0.9}
            )
    chart = apart_chart(session, Bins(session.middles, 6.0))
    assert "In 5 of 15 segments with both" in chart.note
    assert [row[1:] for row in chart.table.rows] == [["anger", "joy", "0.80"]] * 5
    assert apart_chart(session_of([segment(0)]), Bins(np.array([0.3]), 0.6)) is None


def test_labels_that_come_later(tmp_path):
    session = session_of([segment(0), segment(1, label="awe", scores={"awe": 0.6, "joy": 0.4}), segment(2)])
    assert session.labels == ["joy", "anger", "awe"] or session.labels == ["anger", "joy", "awe"]
    awe = session.scores[session.labels.index("awe")]
    assert np.isnan(awe[[0, 2]]).all()
    assert awe[1] == pytest.approx(0.6)


def test_a_damaged_file_and_an_empty_one(tmp_path):
    file = tmp_path / "events.jsonl"
    lines = [encode(segment(n)) for n in range(10)]
    file.write_bytes(b"\xff\xfe\n" + b"\n".join(lines) + b'\n{"version": 9, "type": "emotion"}\n' + lines[0][:77])
    done = run("review", file, "--output", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    assert "passed over 2 lines that are no event and a torn last line; update emostream here" in done.stderr
    assert "2 lines that are no event and a torn last line" in Page((tmp_path / "report.html").read_text()).text
    file.write_bytes(b"hello\n")
    assert "holds no events, only 1 line that is no event" in one_line_error(
        run("review", file, "--output", tmp_path / "more.html")
    )
    assert not (tmp_path / "more.html").exists()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("events.jsonl", "mine.html", "is there already"),
        ("events.jsonl", "report.pdf", "a report is HTML"),
        ("none.jsonl", "report.html", "can't be read: No such file"),
        ("none.mp4", "report.html", "does not exist"),
        (".", "none/report.html", "there is no such folder"),
    ],
)
def test_refusals(tmp_path, source, target, message):
    (tmp_path / "mine.html").write_text("mine")
    (tmp_path / "events.jsonl").write_bytes(encode(segment(0)) + b"\n")
    with pytest.raises((ConfigError, SourceError, PublishError), match=message):
        review(tmp_path / source, tmp_path / target, RecognitionConfig(bundle=STARTER))
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2
    review(tmp_path / "events.jsonl", tmp_path / "mine.html", RecognitionConfig(bundle=STARTER), force=True)
    assert Page((tmp_path / "mine.html").read_text())


def test_reading_again_counts_again(tmp_path):
    file = tmp_path / "events.jsonl"
    late = encode(segment(1, media_time=1e300))  # no stream is as long
    file.write_bytes(b"\n".join([encode(segment(0)), b"x", b"y" * 3_000_000, late, encode(segment(1))]))
    events = EventsFile(file)
    for _ in range(2):
        assert [event.seq for event in events] == [0, 1]  # the last line lacks its break alone
        assert (events.events, events.foreign, events.torn) == (2, 3, False)
    assert decode(encode(segment(0))) == segment(0)


def long_recording(path, count: int) -> None:
    """Many events whose scores wander."""
    rng = np.random.default_rng(2)
    with path.open("wb") as file:
        for n in range(count):
            joy = round(float(rng.random()), 6)
            label = "joy" if joy >= 0.5 else "anger"
            file.write(encode(segment(n, label=label, scores={"anger": round(1 - joy, 6), "joy": joy})) + b"\n")
            if n % 20 == 19:
                file.write(
                    encode(replace(UTTERANCE, stream="desk", session="0" * 32, seq=n, id=n // 20, media_time=0.3 * n))
                    + b"\n"
                )


@pytest.mark.parametrize("count", [12_000, pytest.param(288_000, marks=pytest.mark.long)])
def test_a_long_recording_gives_a_page_that_opens(tmp_path, count):
    long_recording(tmp_path / "events.jsonl", count)
    done = run("review", tmp_path / "events.jsonl", "--output", tmp_path / "report.html", timeout=110)
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "report.html").read_text())
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert len(page.tags) < 12_000
    assert "Thinned out: each of the 900 columns stands for" in page.text
    assert f"200 of {count // 20:,} utterances" in page.text


def test_times_on_the_clock():
    assert [clock(t) for t in (0.0, 3.26, 59.96, 61.0, 3600.0, 86399.9)] == [
        "0:00", "0:03.3", "1:00", "1:01", "1:00:00", "23:59:59.9",
    ]  # fmt: skip


def test_a_take_of_utterances_alone():
    session = SessionColumns("desk", "0")
    session.add(UTTERANCE)
    assert "utterances 1" in Page(page_of(session)).text
    assert recognised_chart(session, Bins(session.middles, 3.0)).table.rows == []
