"""The microphone end to end: PortAudio on a virtual device that plays real speech, without hardware."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soxr

from emostream.engines.media.track import AudioTrack
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import EmotionEvent, SourceState, StatusEvent
from tests.conftest import SHARED
from tests.streamer.running import COMMAND, emotions, events_of

NEEDED = ("pulseaudio", "paplay", "pactl")
RESAMPLING_ERROR = 0.03  # of the signal, 16 to 44.1 kHz and back
SINK_RATE = 44_100  # of the sound server, which would resample the file otherwise, and not well


def missing(reason: str) -> None:
    if os.environ.get("EMOSTREAM_REQUIRE_ALL"):
        pytest.fail(f"{reason}, and CI needs it")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def virtual_microphone(tmp_path_factory):
    tool = SHARED.parent / "tools" / "virtual-mic"
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        missing(f"needs Debian's pulseaudio and pulseaudio-utils ({', '.join(lacking)} not found)")
    if not tool.is_file():
        missing("needs ../shared/tools/virtual-mic beside the checkout")
    environment = os.environ | {"VIRTUAL_MIC_DIR": str(tmp_path_factory.mktemp("mic"))}
    started = subprocess.run(
        ["bash", str(tool), "start"], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    for assignment in started.stdout.removeprefix("export ").split():
        name, _, value = assignment.partition("=")
        environment[name] = value
    yield environment
    subprocess.run(["bash", str(tool), "stop"], env=environment, timeout=30, check=False)


def speech(folder: Path) -> np.ndarray:
    """Some seconds of several real speakers, one after the other."""
    files = [folder / "ravdess_speech" / f"Actor_{n:02}" / f"03-01-05-02-01-01-{n:02}.flac" for n in (3, 4, 5)]
    parts = []
    for file in files:
        with AudioTrack(str(file)) as track:
            parts += [block.samples for block in track]
    return np.concatenate(parts)


def write_wav(file: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return file


def test_the_microphone_gives_the_files_segments(virtual_microphone, shared, tmp_path, bundle_folder):
    spoken = speech(shared)
    file = write_wav(tmp_path / "speech.wav", soxr.resample(spoken, 16_000, SINK_RATE, "VHQ"), SINK_RATE)
    tap, output = tmp_path / "grid.npy", tmp_path / "events.jsonl"
    duration = spoken.size / 16_000 + 6.0
    endpoint = f"ipc://{tmp_path}/events"
    # The command as users run it; the tap writes down what lies on its grid, so that the file can be laid beside it.
    process = subprocess.Popen(
        [COMMAND[0], str(Path(__file__).with_name("tapped.py")), str(tap), "--camera", "none", "--mic", "default",
         "--bundle", str(bundle_folder), "--publish", endpoint, "--output", str(output), "--duration", str(duration)],
        env=virtual_microphone, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with Subscriber(endpoint, status=True, timeout=30.0) as subscriber:
        for event in subscriber:
            if isinstance(event, StatusEvent) and event.state == "running" and event.rates.audio_per_s > 0.2:
                break
    subprocess.run(["paplay", str(file)], env=virtual_microphone, check=True, timeout=60)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    live = emotions([json.loads(line) for line in output.read_text().splitlines()])
    assert sum(e["modalities"]["audio"] for e in live) >= 10
    assert live[-1]["dropped"] == {"segments": 0, "frames": 0, "audio_ms": 0.0}
    assert sorted(e["latency_ms"] for e in live)[len(live) // 2] < 300

    heard = np.load(tap)
    assert np.abs(heard).max() > 0.05
    beside = laid_beside(spoken, heard)
    error = np.sqrt(np.mean((heard - beside) ** 2) / np.mean(beside**2))
    assert error < RESAMPLING_ERROR
    aligned = write_wav(tmp_path / "aligned.wav", beside)
    fromfile = emotions(events_of("--mic", aligned, "--camera", "none", "--bundle", bundle_folder, "--fast"))
    inside = [
        (a, b) for a, b in zip(live, fromfile, strict=False) if a["modalities"]["audio"] and b["modalities"]["audio"]
    ]
    assert len(inside) >= 0.9 * sum(b["modalities"]["audio"] for b in fromfile)
    for one, other in inside:
        assert one["segment"]["scores"] == pytest.approx(other["segment"]["scores"], abs=0.02)


def laid_beside(signal: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """The signal where it is in the recording, to a fraction of a sample, with zeros around it."""
    size = 1 << int(np.ceil(np.log2(signal.size + recording.size)))
    spectrum, heard = np.fft.rfft(signal, size), np.fft.rfft(recording, size)
    cross = heard * np.conj(spectrum)
    lag = int(np.fft.irfft(cross, size)[: recording.size].argmax())
    frequency = 2 * np.pi * np.fft.rfftfreq(size)
    # What is left of the delay is the slope of the phase, weighted by the power.
    phase = np.angle(cross * np.exp(1j * frequency * lag))
    fraction = -np.sum(np.abs(cross) * frequency * phase) / np.sum(np.abs(cross) * frequency**2)
    shifted = np.fft.irfft(spectrum * np.exp(-1j * frequency * (lag + fraction)), size)[: recording.size]
    return shifted.astype(np.float32)


def test_devices_names_the_virtual_microphone(virtual_microphone):
    done = subprocess.run(
        [*COMMAND, "devices"], env=virtual_microphone, capture_output=True, text=True, timeout=30, check=True
    )
    assert "default (" in done.stdout or "pulse" in done.stdout


def test_devices_hears_the_virtual_microphone(virtual_microphone, shared, tmp_path):
    """Muted while nothing is played; then speech, at the level that the file has."""

    def check() -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "devices", "--check", "--mic", "default", "--seconds", "1.5"]
        return subprocess.run(command, env=virtual_microphone, capture_output=True, text=True, timeout=40, check=True)

    assert "muted: it gives digital silence; is it muted by a key" in check().stdout
    spoken = speech(shared)
    file = write_wav(tmp_path / "speech.wav", np.tile(0.25 * spoken / np.abs(spoken).max(), 4))
    playing = subprocess.Popen(["paplay", str(file)], env=virtual_microphone)
    try:
        said = check().stdout
    finally:
        playing.kill()
        playing.wait()
    found = re.search(r"(-\d+) dB of full scale: speech$", said, re.MULTILINE)
    assert found is not None, said
    assert -50 < int(found[1]) < -15


@pytest.mark.fault(
    "Microphone",
    "the sound server is ended and started again",
    "`source_lost` within 2 s, back with the server; the grid goes on, what was lost is counted",
)
def test_a_microphone_that_vanishes_comes_back(virtual_microphone, bundle_folder, tmp_path):
    """The sound server dies and starts again, as where a device is pulled out and put back."""
    tool = SHARED.parent / "tools" / "virtual-mic"
    endpoint = f"ipc://{tmp_path}/events"
    process = subprocess.Popen(
        [*COMMAND, "--camera", "none", "--mic", "default", "--bundle", str(bundle_folder), "--publish", endpoint],
        env=virtual_microphone, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen: list[EmotionEvent] = []

    def until(state: SourceState, reason: str | None) -> float:
        begun = time.monotonic()
        said = felt = False
        for event in subscriber:
            said |= isinstance(event, StatusEvent) and event.sources.audio == state
            if isinstance(event, EmotionEvent):
                seen.append(event)
                felt |= said and event.reason.audio == reason
            if felt:
                return time.monotonic() - begun
        raise AssertionError

    with Subscriber(endpoint, status=True, timeout=30.0) as subscriber:
        until("running", "no_voice")
        subprocess.run(["bash", str(tool), "stop"], env=virtual_microphone, timeout=30, check=True)
        assert until("lost", "source_lost") < 3.0  # and a segment's length
        subprocess.run(
            ["bash", str(tool), "start"], env=virtual_microphone, timeout=30, check=True, capture_output=True
        )
        until("running", "no_voice")
        back = time.monotonic()
        while time.monotonic() < back + 3.0:
            until("running", "no_voice")
        process.terminate()
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 0, stderr
    assert "the default microphone was lost: " in stderr
    assert "the default microphone is back after " in stderr
    assert np.diff([event.media_time for event in seen]) == pytest.approx(0.3, abs=1e-3)
    assert seen[-1].dropped.audio_ms > 0


@pytest.mark.fault(
    "Another default microphone",
    "it is chosen in the sound server",
    "the sound comes from the new one",
)
def test_the_microphone_goes_where_the_default_goes(virtual_microphone, tmp_path):
    """Sound servers move their streams when the user chooses another device."""

    def pactl(*arguments: str) -> str:
        done = subprocess.run(["pactl", *arguments], env=virtual_microphone, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    module = pactl("load-module", "module-null-sink", "sink_name=other")
    tone = write_wav(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000))
    heard, output = tmp_path / "grid.npy", tmp_path / "events.jsonl"
    endpoint = f"ipc://{tmp_path}/events"
    process = subprocess.Popen(
        [COMMAND[0], str(Path(__file__).with_name("tapped.py")), str(heard), "--camera", "none", "--mic", "default",
         "--publish", endpoint, "--output", str(output), "--duration", "9"],
        env=virtual_microphone, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with Subscriber(endpoint, status=True, timeout=30.0) as subscriber:
        for event in subscriber:
            if isinstance(event, StatusEvent) and event.sources.audio == "running":
                break
        pactl("set-default-source", "other.monitor")
        subprocess.run(["paplay", "--device=other", str(tone)], env=virtual_microphone, check=True, timeout=30)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    pactl("set-default-source", "virtmic.monitor")
    pactl("unload-module", module)
    assert np.sqrt(np.mean(np.load(heard) ** 2)) > 0.1
