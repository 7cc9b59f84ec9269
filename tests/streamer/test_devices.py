"""`emostream devices --check`: what a camera shows and a microphone hears, in words, and why one can't be opened."""

from __future__ import annotations

import getpass
import os
import pty
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.devices import hints
from emostream.streamer.devices.probes import CameraProbe, MicrophoneProbe, Trial
from emostream.streamer.devices.report import camera_line, level_meter, microphone_line, thumbnail
from emostream.streamer.sources.base import LiveSource
from emostream.streamer.terminal.console import light_word, sound_word
from tests.media_files import write_media
from tests.streamer.running import COMMAND, demo_clip, one_line_error, portrait, run

HOOKED = Path(__file__).with_name("hooked.py")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"), seconds=3.0)


def checked(code: str, *options: object) -> subprocess.CompletedProcess[str]:
    """`emostream devices --check` after some code."""
    command = [sys.executable, str(HOOKED), code, "devices", "--check", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def cameras(**named: object) -> str:
    """Code that gives this machine other cameras, files, which OpenCV reads through the same calls as a device.

    Of its microphones only the default one is left.
    """
    listed = [(str(n), name) for n, name in enumerate(named)]
    files = [str(file) for file in named.values()]
    return (
        "import emostream.streamer.sources.camera as c, emostream.streamer.devices.check as d; import time\n"
        f"d.list_cameras, d.list_microphones = lambda: {listed!r}, lambda: []\n"
        "class Paced(c.cv2.VideoCapture):\n"
        "    def grab(self): time.sleep(1 / 25); return super().grab()\n"
        f"c.cv2.VideoCapture = lambda device: Paced({files!r}[device])\n"
    )


def test_each_camera_is_tried_and_pictured(clip, tmp_path):
    wall = write_media(tmp_path / "wall.mkv", seconds=3.0)
    code = cameras(demo=clip, wall=wall, gone=tmp_path / "nothing.mp4")
    done = checked(code, "--picture", tmp_path / "seen.jpg", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    shown = lines[lines.index("0  demo") + 1]
    assert re.match(r"640 x 480, \d+ pictures a second; brightness \d+ of 255: good; a face, \d+ ", shown)
    assert "no face found" in lines[lines.index("1  wall") + 1]
    assert lines[lines.index("2  gone") + 1].startswith("camera 2 can't be opened: ")
    for key, size in ((0, (480, 640, 3)), (1, (240, 320, 3))):
        assert cv2.imread(str(tmp_path / f"seen-{key}.jpg")).shape == size
    assert not (tmp_path / "seen-2.jpg").exists()
    green = cv2.imread(str(tmp_path / "seen-0.jpg")).astype(int)
    assert ((green[..., 1] - green[..., [0, 2]].max(axis=2)) > 60).sum() > 500  # the box of the face


def test_one_camera_gets_the_pictures_own_name(clip, tmp_path):
    done = checked(cameras(demo=clip), "--picture", tmp_path / "seen.png", "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "seen.png")).shape == (480, 640, 3)


def test_a_camera_that_is_lost_meanwhile(tmp_path):
    """It ends after half a second; what it gave is said, and that it was lost."""
    short = write_media(tmp_path / "short.mkv", seconds=0.5)
    done = checked(cameras(short=short))
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    at = lines.index("0  short")
    assert lines[at + 1].startswith("320 x 240, ")
    assert lines[at + 2] == "camera 0 was lost: it gives no more frames"
    named = checked(cameras(short=short), "--camera", "0")
    assert named.returncode == 1
    assert one_line_error(named).endswith("camera 0 was lost: it gives no more frames")


def test_what_is_named_is_checked_alone(clip):
    done = run("devices", "--check", "--camera", clip, "--mic", clip, "--seconds", "1.5")
    assert done.returncode == 0, done.stderr
    assert "a face, " in done.stdout
    assert re.search(r"-\d+ dB of full scale: (sound|speech)", done.stdout)
    assert "Microphones" not in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--camera", "0"], "--camera is of a check; give --check too"),
        (["--picture", "x.jpg"], "--picture is of a check; give --check too"),
        (["--check", "--camera", "77"], "camera 77 can't be opened: there is no /dev/video77"),
        (["--check", "--camera", "/dev/video77"], "there is no /dev/video77"),
        (["--check", "--camera", "http://user:secret@127.0.0.1:9/x.mjpg"], "http://127.0.0.1:9/x.mjpg can't be opened"),
        (["--check", "--mic", "no such thing"], "microphone no such thing can't be opened"),
        (["--check", "--picture", "x.pdf"], "expected one that ends in .jpg"),
        (["--check", "--mic", "default", "--picture", "x.jpg"], "--mic checks a microphone alone"),
        (["--check", "--camera", "{clip}", "--picture", "/nowhere/x.jpg"], "--picture /nowhere/x.jpg can't be written"),
        (["--check", "--seconds", "0"], "--seconds"),
        (["--check", "--camera", "browser"], "come with --web"),
    ],
)
def test_refusals(clip, options, message):
    error = one_line_error(run("devices", *[clip if option == "{clip}" else option for option in options]))
    assert message in error
    assert "secret" not in error
    assert "lists the cameras" not in error


def test_nothing_that_works():
    silent = (
        "from emostream.engines.errors import SourceError\n"
        "def refuse(self): raise SourceError('no way: there is none; `emostream devices` lists the microphones')\n"
        "d.Microphone.open = refuse\n"
    )
    done = checked(cameras() + silent)
    assert done.returncode == 1
    assert "no camera and no microphone gives anything" in done.stderr
    assert "Traceback" not in done.stderr
    assert "none found" in done.stdout
    assert "no way: there is none\n" in done.stdout


@pytest.mark.skipif(not hasattr(pty, "openpty"), reason="needs a terminal")
def test_a_terminal_gets_a_meter_and_a_small_picture(clip):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "devices", "--check", "--camera", str(clip), "--mic", str(clip), "--seconds", "1.5"],
        stdout=theirs, stderr=subprocess.PIPE, env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )  # fmt: skip
    os.close(theirs)
    shown = bytearray()
    with suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    text = shown.decode()
    assert re.search(r"█+\S* *.*dB  (silence|sound|speech)", text)
    half_blocks = re.findall(r"\x1b\[38;2;\d+;\d+;\d+;48;2;\d+;\d+;\d+m▀", text)
    assert len(half_blocks) > 300
    assert text.count("▀") == 48 * 18


def test_a_picture_in_half_blocks():
    """The colours of the terminal are those of the picture, two pixels a character."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:20, :, 2] = 255  # red above
    image[20:, :, 0] = 255  # blue below
    lines = thumbnail(image, columns=10).split("\n")
    assert [str(line) for line in lines] == ["▀" * 10] * 5
    spans = [[(span.style.color.triplet.rgb, span.style.bgcolor.triplet.rgb) for span in line.spans] for line in lines]
    red, blue = "rgb(255,0,0)", "rgb(0,0,255)"
    assert {colours for line in spans[:2] for colours in line} == {(red, red)}
    assert {colours for line in spans[3:] for colours in line} == {(blue, blue)}


@pytest.mark.parametrize(
    ("dbfs", "speech", "word"),
    [(-200.0, False, "muted"), (-70.0, False, "silence"), (-30.0, False, "sound"), (-30.0, True, "speech")],
)
def test_levels_in_words(dbfs, speech, word):
    assert sound_word(dbfs, speech=speech) == word
    assert str(level_meter(dbfs, speech=speech)).endswith(word)
    assert str(level_meter(dbfs, speech=speech)).count("█") == max(0, round((dbfs + 60) / 60 * 40))


def test_light_in_words():
    assert [light_word(level) for level in (10, 40, 120, 240)] == ["too dark", "dim", "good", "very bright"]


def hear(samples: np.ndarray) -> MicrophoneProbe:
    probe = MicrophoneProbe()
    for n in range(0, samples.size, 320):
        probe.put(AudioBlock(n / 16_000, samples[n : n + 320].astype(np.float32)))
    return probe


def test_hearing_in_words():
    assert microphone_line(hear(np.zeros(16_000))).startswith("muted: it gives digital silence; is it muted")
    noise = np.random.default_rng(1).standard_normal(16_000)
    assert microphone_line(hear(0.03 * noise)).startswith("-30 dB of full scale: sound; speak while")
    assert microphone_line(hear(1e-3 * noise)).startswith("-60 dB of full scale: silence; speak while")
    loud_then_soft = hear(np.concatenate((0.3 * noise, 0.003 * noise)))
    assert loud_then_soft.level_now == pytest.approx(-50.5, abs=1.0)
    assert loud_then_soft.level == pytest.approx(-13.5, abs=1.0)


def see(image: np.ndarray, *, fps: float = 30.0) -> CameraProbe:
    times = [100.0 + n / fps for n in range(4)]
    probe = CameraProbe(iter(times).__next__)
    for t in times:
        probe.put(VideoFrame(t, image))
        probe.look()
    return probe


def test_sight_in_words():
    dark, wall = np.full((240, 320, 3), 5, np.uint8), np.full((240, 320, 3), 120, np.uint8)
    assert "brightness 5 of 255: too dark; no face found; light your face from the front" in camera_line(see(dark))
    assert camera_line(see(wall)).startswith(
        "320 x 240, 30 pictures a second; brightness 120 of 255: good; no face found: "
    )
    assert re.search(r"good; a face, \d+ pixels wide$", camera_line(see(portrait())))
    assert camera_line(see(portrait(), fps=5.0)).endswith("fewer pictures where there is little light")


class Stuck(LiveSource):
    """A device whose driver does not return from where it is told to get stuck."""

    name = "camera 5"

    def __init__(self, where: str) -> None:
        self.where, self.abandoned, self._free = where, threading.Event(), threading.Event()

    def open(self) -> None:
        if self.where == "open":
            self._free.wait(60)
        if self.where == "crash":
            raise RuntimeError("the driver is broken")

    def run(self, sinks, playback) -> None:
        if self.where == "lost":
            raise SourceError("camera 5 was lost: it gives no more frames")
        self._free.wait(60)

    def close(self) -> None:
        """Nothing to free."""

    def reopen(self):
        raise NotImplementedError

    def abandon(self) -> None:
        self.abandoned.set()
        self._free.set()


@pytest.mark.parametrize(
    ("where", "failure"),
    [
        ("open", "camera 5 can't be opened: its driver did not answer within 0 s"),
        ("run", "camera 5 gives nothing; is another program using it?"),
        ("lost", "camera 5 was lost: it gives no more frames"),
        ("crash", "camera 5 failed: RuntimeError: the driver is broken"),
    ],
)
def test_a_device_that_is_stuck_holds_nobody(monkeypatch, where, failure):
    monkeypatch.setattr("emostream.streamer.devices.probes._OPEN_S", 0.2)
    monkeypatch.setattr("emostream.streamer.devices.probes._FIRST_S", 0.2)
    monkeypatch.setattr("emostream.streamer.devices.probes._CLOSE_S", 0.1)
    source = Stuck(where)
    trial = Trial(source, CameraProbe())
    trial.start()
    until = time.monotonic() + 10
    while trial.running(1.0):
        assert time.monotonic() < until
        time.sleep(0.01)
    trial.end()
    assert trial.failure == failure
    assert source.abandoned.is_set() == (where == "run")


def test_hints_on_linux(monkeypatch, tmp_path):
    monkeypatch.setattr(hints.platform, "system", lambda: "Linux")
    assert hints.camera_hint("77").startswith("there is no /dev/video77: plug")
    camera = tmp_path / "video0"
    camera.touch()
    assert hints.camera_hint(str(camera)) is None
    holding = subprocess.Popen(["sleep", "60"], stdin=camera.open())
    try:
        assert hints.camera_hint(str(camera)) == "it is open in sleep"
    finally:
        holding.kill()
        holding.wait()
    monkeypatch.setattr(hints.os, "access", lambda *_: False)
    assert hints.camera_hint(str(camera)) == (
        f"you may not open {camera}: `sudo usermod -aG video {getpass.getuser()}`, then log in again"
    )


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("Darwin", "System Settings > Privacy & Security > {}"),
        ("Windows", "let desktop apps use the {lower} in Settings > Privacy & security > {}"),
    ],
)
def test_hints_elsewhere(monkeypatch, system, words):
    monkeypatch.setattr(hints.platform, "system", lambda: system)
    for hint, pane in ((hints.camera_hint("0"), "Camera"), (hints.microphone_hint(muted=True), "Microphone")):
        assert words.format(pane, lower=pane.lower()) in hint
