"""The live page in headless Chromium: what it shows, for whom, and what it takes from a browser's own devices.

With EMOSTREAM_SCREENSHOTS=FOLDER the pictures of it are kept, to be looked at.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import av
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.programs import chromium
from tests.streamer.paging import served, watch
from tests.streamer.running import demo_clip, emotions, events_of

expect.set_options(timeout=20_000)  # ms, for machines with much else to do

SOUND_RATE = 48_000
STARTS_S = (0.0, 0.1, 0.2)  # of the 0.3 s from one segment to the next
SIZES = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}
# Notes what the page shows each time it draws an event.
RECORD = """() => {
  window.drawn = [];
  const figures = document.querySelector(".figures");
  new MutationObserver(() => window.drawn.push({
    label: document.querySelector(".label").textContent,
    latency: document.querySelector('[data-figure="latency"]').textContent,
    totals: [...document.querySelectorAll(".bars .number:not(.segment)")].map((cell) => cell.textContent),
    widths: [...document.querySelectorAll(".bar .pooled")].map((bar) => parseFloat(bar.style.width)),
    timeline: document.querySelector(".chart").getAttribute("aria-label"),
  })).observe(figures, { childList: true });
}"""


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright) -> Iterator[Browser]:
    with chromium(playwright) as running:
        yield running


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    """A clip of 47 s, for a session that lasts while pages are looked at."""
    return demo_clip(tmp_path_factory.mktemp("play"), repeat=4)


@contextmanager
def opened(context: Browser | BrowserContext, url: str, **options: object) -> Iterator[Page]:
    """The page; it may complain of nothing, and ask no other host."""
    page = context.new_page(**options)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    yield page
    page.close()
    assert all(address.startswith((url.partition("#")[0], "blob:", "data:")) for address in asked), asked
    expected = re.compile(r"WebSocket connection to .* failed")  # where a test ends the session
    assert not [text for text in complaints if not expected.search(text)]


def wait_until(page: Page, expression: str) -> None:
    """Wait for something; Playwright's own way needs `eval`, which the page's policy forbids."""
    deadline = time.monotonic() + 30.0
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("EMOSTREAM_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


def test_the_page_shows_what_the_events_say(play, browser):
    events: list[dict] = []

    def take(payload: str | bytes) -> None:
        if isinstance(payload, str) and (told := json.loads(payload))["type"] == "emotion":
            events.append(told)

    with served("--input", play) as session:
        page = browser.new_page(**SIZES["light"])
        page.on("websocket", lambda ws: ws.on("framereceived", take))
        page.goto(session.url)
        expect(page.locator(".bars tbody tr")).to_have_count(7)
        page.evaluate(RECORD)
        expect(page.locator("#connection")).to_have_text("Connected")
        expect(page.locator(".picture.has")).to_be_visible()
        before = page.evaluate("document.querySelector('.chart canvas').toDataURL()")
        wait_until(page, "window.drawn.length >= 20")
        assert page.evaluate("document.querySelector('.chart canvas').toDataURL()") != before
        drawn = page.evaluate("window.drawn")
        page.close()
    shown = {
        (
            event["label"] or "-",
            f"{round_half_up(event['latency_ms'])} ms",
            tuple(percent(event["scores"], label) for label in event["scores"] or ()),
        )
        for event in events
    }
    told = {(each["label"], each["latency"], tuple(each["totals"])) for each in drawn if each["label"] != "-"}
    assert len(told) >= 12
    assert told <= shown
    assert len({tuple(each["widths"]) for each in drawn}) >= 12
    for each in drawn:
        for width, total in zip(each["widths"], each["totals"], strict=True):
            assert total == "-" or abs(width - float(total.removesuffix(" %"))) <= 0.5
    counts = [int(each["timeline"].split()[0]) for each in drawn if each["timeline"][0].isdigit()]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def round_half_up(number: float) -> int:
    return int(number + 0.5)


def percent(scores: dict[str, float], label: str) -> str:
    return f"{round_half_up(100 * scores[label])} %"


def test_it_is_fit_for_all(play, browser):
    with served("--input", play) as session, ExitStack() as pages:
        for size, options in SIZES.items():
            page = pages.enter_context(opened(browser, session.url, **options))
            expect(page.locator(".label")).not_to_have_text("-")
            expect(page.locator(".picture.has")).to_be_visible()
            if size == "light":
                page.wait_for_timeout(7000)  # for lines to look at
            keep(page, f"page-{size}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert violations(page) == []


def test_a_fleet_and_the_keyboard(play, browser, tmp_path):
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(f'[streams.desk]\ninput = "{play}"\n[streams.door]\ncamera = "{play}"\nmic = "none"\n')
    with served("--config", fleet) as session, opened(browser, session.url, **SIZES["dark"]) as page:
        expect(page.locator(".card")).to_have_count(2)
        expect(page.locator(".picture.has")).to_have_count(2)
        expect(page.get_by_role("heading", name="door")).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("Connected")
        keep(page, "page-fleet")
        assert violations(page) == []
        address = page.url
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()
        assert page.url == address  # whose last part is the token
        page.get_by_role("link", name="Skip to the streams").focus()
        page.keyboard.press("Tab")
        pause = page.get_by_role("button", name="Pause")
        expect(pause).to_be_focused()
        page.keyboard.press("Enter")
        expect(pause).to_have_attribute("aria-pressed", "true")
        page.wait_for_timeout(400)
        before = page.locator(".figures").first.inner_text()
        page.wait_for_timeout(1500)
        assert page.locator(".figures").first.inner_text() == before
        page.keyboard.press("Enter")
        wait_until(page, f"document.querySelector('.figures').innerText !== {json.dumps(before)}")


def test_it_finds_its_way_back(play, browser, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    with served("--input", play, web=where) as session:
        url = session.url
        page = browser.new_page()
        page.goto(url)
        expect(page.locator(".label")).not_to_have_text("-")
    expect(page.locator("#connection")).to_contain_text("trying again")
    keep(page, "page-lost")
    with served("--input", play, web=where) as session:
        assert session.url == url
        expect(page.locator("#connection")).to_have_text("Connected")
        wait_until(page, "/^[1-9] segments/.test(document.querySelector('.chart').getAttribute('aria-label'))")
        assert page.get_by_role("button", name="Use this device's").count() == 0
    expect(page.locator("#connection")).to_contain_text("emostream has ended")
    with served("--input", "browser", web=where):
        expect(page.get_by_role("button", name="Use this device's camera and microphone")).to_be_visible()
    page.close()


def test_it_says_that_it_records(browser, tmp_path):
    with (
        served("--input", "browser", "--record", tmp_path, "--record-media") as session,
        opened(browser, session.url) as page,
    ):
        expect(page.get_by_text("This is being recorded: pictures, sound")).to_be_visible()
        expect(page.locator("footer")).to_contain_text("Pictures and sound are recorded")
        assert violations(page) == []
    with served("--input", "browser") as session, opened(browser, session.url) as page:
        expect(page.locator("footer")).to_contain_text("go to this page alone, and are not kept.")
        expect(page.get_by_text("This is being recorded")).to_be_hidden()


def test_an_address_without_its_token(browser):
    with served("--input", "browser") as session, opened(browser, session.url.partition("#")[0]) as page:
        expect(page.locator("#connection")).to_contain_text("open the address that emostream printed")


def test_a_browser_that_denies_the_camera(browser):
    with served("--input", "browser") as session, opened(browser, session.url) as page:
        page.get_by_role("button", name="Use this device's camera and microphone").click()
        expect(page.get_by_role("alert")).to_contain_text(re.compile("not allowed|no camera and no microphone"))
        assert violations(page) == []


def test_a_browser_s_own_camera_and_microphone(clip, playwright, tmp_path):
    """Chromium plays the clip's pictures and sound as its devices, each from a moment of its own, and over again."""
    pictures, sound = tmp_path / "camera.mjpeg", tmp_path / "microphone.wav"
    write_pictures(clip, pictures)
    write_sound(clip, sound)
    devices = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={pictures}",
        f"--use-file-for-fake-audio-capture={sound}%noloop",
    ]
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(
        '[streams.eyes]\ncamera = "browser"\nmic = "none"\n[streams.ears]\ncamera = "none"\nmic = "browser"\n'
    )
    with (
        served("--config", fleet) as session,
        chromium(playwright, *devices) as browser,
        opened(browser, session.url) as page,
        session.connect("/live") as viewer,
    ):
        for device in ("microphone", "camera"):
            page.get_by_role("button", name=f"Use this device's {device}").click()
        expect(page.get_by_role("button", name="Stop")).to_have_count(2)
        seen = watch(viewer, until_segments=110).of("emotion")
        keep(page, "page-feeding")
        assert violations(page) == []
        for _ in range(2):
            page.get_by_role("button", name="Stop").first.click()
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    for stream, write, name, options in (
        ("eyes", write_pictures, "pictures.mkv", ("--mic", "none", "--camera")),
        ("ears", write_sound, "sound.wav", ("--camera", "none", "--mic")),
    ):
        told = [event for event in seen if event["stream"] == stream]
        fits = []
        # Where Chromium begins lies anywhere between two segments, but near one of the file that begins here.
        for start in STARTS_S:
            write(clip, file := tmp_path / f"from-{start}-{name}", start)
            fits += fits_of(emotions(events_of(*options, file, "--fast")), told)
        difference, agreement = min(fits)
        assert difference < 0.4 * median(each for each, _ in fits), (stream, fits)
        assert agreement > 0.65, (stream, fits)


def fits_of(expected: list[dict], seen: list[dict]) -> list[tuple[float, float]]:
    """Mean total variation between both scores, and how often the labels agree, for every lag of one to the other."""
    found = []
    for lag in range(-10, len(seen) - 15):
        pairs = [
            (one["scores"], other["scores"])
            for n, one in enumerate(expected)
            if 0 <= n + lag < len(seen) and one["scores"] and (other := seen[n + lag])["scores"]
        ]
        if len(pairs) >= 15:
            apart = [sum(abs(one[label] - other[label]) for label in one) / 2 for one, other in pairs]
            same = [max(one, key=one.__getitem__) == max(other, key=other.__getitem__) for one, other in pairs]
            found.append((sum(apart) / len(pairs), sum(same) / len(pairs)))
    return found


def write_pictures(clip: Path, file: Path, start: float = 0.0) -> None:
    """The clip's pictures from `start` seconds on, as JPEGs, which Chromium takes for a camera."""
    with av.open(str(clip)) as source, av.open(str(file), "w") as target:
        track = source.streams.video[0]
        stream = target.add_stream("mjpeg", rate=track.average_rate)
        stream.width, stream.height, stream.pix_fmt = track.width, track.height, "yuvj420p"
        stream.options = {"q:v": "3"}
        for number, frame in enumerate(frame for frame in source.decode(track) if frame.time >= start):
            picture = frame.reformat(format="yuvj420p")
            picture.pts, picture.time_base = number, 1 / track.average_rate
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))


def write_sound(clip: Path, file: Path, start: float = 0.0) -> None:
    """The clip's sound from `start` seconds on, as samples, which Chromium takes for a microphone."""
    with av.open(str(clip)) as source:
        resampler = av.AudioResampler("s16", "mono", SOUND_RATE)
        blocks = [each.to_ndarray() for frame in source.decode(audio=0) for each in resampler.resample(frame)]
    with wave.open(str(file), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(SOUND_RATE)
        target.writeframes(np.concatenate(blocks, axis=1)[0, round(start * SOUND_RATE) :].tobytes())
