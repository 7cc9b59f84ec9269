"""A browser's camera and microphone as a source: what the page sends, over a real WebSocket."""

from __future__ import annotations

import struct
import threading
import time
from itertools import chain

import av
import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from emostream.engines.media.video import jpeg_size
from tests.streamer.paging import served, watch
from tests.streamer.running import demo_clip, emotions, events_of

CLOCK, SOUND, PICTURE = range(3)
BEGUN = 1234.5  # of the browser's clock, which is another one
RATE = 48_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"), seconds=6.0)


def messages(clip) -> list[tuple[float, bytes]]:
    """When each message of the page is due, in seconds of the clip, and the message but for its sending time."""
    due = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            jpeg = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
            due.append((frame.time, (PICTURE, 0, frame.time, jpeg.tobytes())))
    with av.open(str(clip)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = chain.from_iterable(resampler.resample(f) for f in chain(container.decode(audio=0), [None]))
        sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    for begin in range(0, sound.size, RATE // 50):
        block = sound[begin : begin + RATE // 50]
        end = (begin + block.size) / RATE
        due.append((end, (SOUND, RATE, end, block.tobytes())))
    return sorted(due, key=lambda each: each[0])


def send(
    socket: ClientConnection, kind: int, rate: int, t: float, payload: bytes, sent: float, clock: float = BEGUN
) -> None:
    socket.send(struct.pack("<B3xIdd", kind, rate, clock + t, clock + sent) + payload)


def give(socket: ClientConnection, clip, seconds: float = 100.0, clock: float = BEGUN) -> None:
    """Play a clip as a browser would its devices; `clock` is what that shows at the beginning."""
    due = messages(clip)
    begun = time.monotonic()
    for t, (kind, rate, captured, payload) in due:
        if t > seconds:
            return
        time.sleep(max(0.0, begun + t - time.monotonic()))
        send(socket, kind, rate, captured, payload, time.monotonic() - begun, clock)


def test_a_browser_is_understood_as_the_file_it_plays(clip):
    expected = emotions(events_of("--input", clip, "--fast"))
    with served("--input", "browser") as page, page.connect("/live") as viewer:
        assert watch(viewer, until_segments=3).of("emotion")[-1]["reason"] == {
            "audio": "source_lost",
            "video": "source_lost",
        }
        with page.connect("/feed/default") as browser:
            giving = threading.Thread(target=give, args=(browser, clip))
            giving.start()
            seen = watch(viewer, until_segments=24)
            giving.join()
        after = watch(viewer, until_segments=12).of("emotion")
    given = [event for event in seen.of("emotion") if event["head"] == "fused"]
    assert len(given) >= len(expected) - 4
    # The session's grid began before the clip, so that its segments lie elsewhere in it: what they say differs little.
    assert given[-1]["label"] == expected[-1]["label"]
    for label, score in expected[-1]["scores"].items():
        assert abs(given[-1]["scores"][label] - score) < 0.1
    assert after[-1]["reason"] == {"audio": "source_lost", "video": "source_lost"}
    lost = [line for line in page.said if "was lost: the page was closed" in line]
    assert len(lost) == 2, page.said


@pytest.mark.fault(
    "A browser that gives its camera and microphone",
    "its tab is closed in the middle of an utterance",
    "`source_lost`; no number is missing, and the next browser takes its place",
)
def test_one_browser_at_a_time_and_the_next_one_after_it(clip):
    with served("--input", "browser") as page, page.connect("/live") as viewer:
        with page.connect("/feed/default") as first:
            first.recv(timeout=5)
            with page.connect("/feed/default") as second, pytest.raises(ConnectionClosed) as closed:
                second.recv(timeout=5)
            assert closed.value.rcvd.code == 4409
            assert closed.value.rcvd.reason == "another browser gives its camera and microphone to this stream"
            give(first, clip, seconds=2.0)  # closed in the middle of an utterance
        time.sleep(1.5)
        with page.connect("/feed/default") as third:
            giving = threading.Thread(target=give, args=(third, clip))
            giving.start()
            seen = watch(viewer, until_segments=32)
            giving.join()
    assert len(seen.of("utterance")) >= 1
    assert seen.of("emotion")[-1]["modalities"]["video"]
    numbers = [event["seq"] for event in (*seen.of("emotion"), *seen.of("utterance"))]
    assert sorted(numbers) == list(range(len(numbers)))


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"x" * 23,
        struct.pack("<B3xIdd", 7, 0, 1.0, 1.0),
        struct.pack("<B3xIdd", SOUND, 0, 1.0, 1.0) + bytes(64),
        struct.pack("<B3xIdd", SOUND, 4_000_000_000, 1.0, 1.0) + bytes(64),
        struct.pack("<B3xIdd", SOUND, 16_000, 1.0, 1.0) + bytes(63),
        struct.pack("<B3xIdd", SOUND, 16_000, 1.0, 1.0),
        struct.pack("<B3xIdd", PICTURE, 0, float("nan"), 1.0),
        struct.pack("<B3xIdd", PICTURE, 0, 1.0, float("inf")),
        "text",
    ],
    ids=range(10),
)
def test_nonsense_ends_the_visit_and_no_more(waiting_page, nonsense):
    with waiting_page.connect("/feed/default") as browser:
        browser.recv(timeout=5)
        browser.send(nonsense)
        with pytest.raises(ConnectionClosed) as closed:
            browser.recv(timeout=5)
        assert closed.value.rcvd.code == 1007
    assert waiting_page.process.poll() is None


@pytest.fixture(scope="module")
def waiting_page():
    with served("--input", "browser") as page:
        yield page


def test_pictures_that_are_none_are_passed_over(waiting_page, clip):
    bomb = bytearray(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = struct.pack(">HH", 65_500, 65_500)  # 13 GB
    with waiting_page.connect("/feed/default") as browser, waiting_page.connect("/live") as viewer:
        browser.recv(timeout=5)
        endless = b"\xff\xd8" + 500 * b"\xff\xe0\x00\x02"
        for n, jpeg in enumerate([bytes(bomb), b"\xff\xd8\xff", b"", bytes(1000), endless]):
            send(browser, PICTURE, 0, 0.01 * n, jpeg, 0.01 * n)
        giving = threading.Thread(target=give, args=(browser, clip, 2.0))
        giving.start()
        seen = watch(viewer, until_segments=len(watch(viewer, until_segments=1).of("emotion")) + 5)
        giving.join()
    assert seen.pictures


@pytest.mark.fault(
    "The clock of a browser that gives its camera",
    "it is wrong, or set back",
    "what follows is understood as before",
)
def test_clocks_that_are_wrong_or_set(clip):
    """Pictures of the future and of another clock, then a clock that falls back: what follows is understood."""
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    with served("--input", "browser") as page, page.connect("/live") as viewer:
        with page.connect("/feed/default") as browser:
            browser.recv(timeout=5)
            for n in range(5):
                send(browser, PICTURE, 0, 1e9 + n, jpeg, 0.1 * n)
                send(browser, PICTURE, 0, -1e9 + n, jpeg, 0.1 * n)
                time.sleep(0.1)
            give(browser, clip, seconds=0.5)
            give(browser, clip, seconds=4.0, clock=BEGUN - 500.0)
        seen = watch(viewer, until_segments=16).of("emotion")
    assert sum(event["modalities"]["video"] and event["modalities"]["audio"] for event in seen) >= 8
    assert seen[-1]["dropped"]["audio_ms"] < 5000.0


def test_the_size_of_a_jpeg():
    for size in ((64, 48), (701, 333)):
        for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]):
            jpeg = cv2.imencode(".jpg", np.zeros((size[1], size[0], 3), np.uint8), options)[1].tobytes()
            assert jpeg_size(jpeg) == size
            assert all(jpeg_size(jpeg[:n]) in (None, size) for n in range(len(jpeg)))
    assert jpeg_size(b"\x89PNG") is None
