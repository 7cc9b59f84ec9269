"""The microphone's own process: its ring, and what it does where something is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from emostream.engines.errors import SourceError
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.base import Playback, Sinks
from emostream.streamer.sources.block_ring import _SLOTS, _WRITTEN, BlockRing, RawBlock
from emostream.streamer.sources.microphone import Microphone

FAKE = """
import threading, time
import numpy as np

class PortAudioError(Exception):
    pass

def query_devices(device, kind):
    return {"default_samplerate": 16000.0, "max_input_channels": 1}

class InputStream:
    latency = 0.01

    def __init__(self, *, callback, blocksize, **_):
        self._callback, self._blocksize = callback, blocksize

    def start(self):
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        class Times:
            inputBufferAdcTime = currentTime = 0.0
        class Status:
            input_overflow = False
        while True:
            time.sleep(0.02)
            self._callback(np.full((self._blocksize, 1), 0.25, np.float32), self._blocksize, Times, Status)
"""


_REFUSING = """
class PortAudioError(Exception): ...
def query_devices(*_):
    raise ValueError('{}')
"""


def block(n: int) -> RawBlock:
    return RawBlock(float(n), None, np.full((320, 1), n, np.float32))


@pytest.fixture
def ring():
    made = BlockRing.create()
    yield made
    made.close()


def test_blocks_come_as_they_were_written(ring):
    writer = BlockRing(ring.path)
    assert ring.read() is None
    for n in range(250):
        writer.write(RawBlock(n + 0.5, 0.1 if n % 2 else None, np.full((320, 2), n, np.float32), n == 7))
        read = ring.read()
        assert (read.arrived, read.delay, read.lost) == (n + 0.5, 0.1 if n % 2 else None, n == 7)
        np.testing.assert_array_equal(read.samples, np.full((320, 2), n, np.float32))
        assert ring.read() is None


def test_a_reader_that_is_behind_loses_the_oldest_and_is_told(ring):
    writer = BlockRing(ring.path)
    for n in range(250):
        writer.write(block(n))
    found = []
    while (read := ring.read()) is not None:
        found.append((read.arrived, read.lost))
    assert found == [(float(n), n == 151) for n in range(151, 250)]


def test_a_block_that_is_just_being_overwritten_is_not_given(ring):
    writer = BlockRing(ring.path)
    for n in range(_SLOTS):
        writer.write(block(n))
    # The writer has begun with the next one, and got as far as half of its samples.
    start = _WRITTEN.size + 1 * (len(ring._memory) - _WRITTEN.size) // _SLOTS
    _WRITTEN.pack_into(writer._memory, start, -1)
    read = ring.read()
    assert (read.arrived, read.lost) == (2.0, True)


def test_a_block_that_fits_no_slot_is_refused(ring):
    with pytest.raises(ValueError, match="does not fit"):
        ring.write(RawBlock(0.0, None, np.zeros((20_000, 1), np.float32)))


@pytest.fixture
def portaudio(tmp_path, monkeypatch):
    """A PortAudio of our own, on the path of the processes that are started."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))

    def write(code: str) -> None:
        (folder / "sounddevice.py").write_text(code)

    write(FAKE)
    return write


def test_sound_comes_through(portaudio):
    microphone = Microphone("default")
    microphone.open()
    queue: BoundedQueue = BoundedQueue("audio", 100, "drop_oldest")
    stop = threading.Event()
    playback = Playback(0.0, time.monotonic(), fast=False, live=True, stop=stop)
    reading = threading.Thread(target=microphone.run, args=(Sinks(queue, None), playback), daemon=True)
    reading.start()
    heard = queue.get()
    assert np.allclose(heard.samples, 0.25)
    stop.set()
    reading.join(5)
    microphone.close()
    assert microphone._process.returncode == 0


@pytest.mark.fault(
    "The process that captures the microphone",
    "it is stopped where it stands",
    "the loss is noticed, and it is ended",
)
def test_a_process_that_is_stuck_is_ended(portaudio):
    microphone = Microphone("default")
    microphone.open()
    queue: BoundedQueue = BoundedQueue("audio", 100, "drop_oldest")
    playback = Playback(0.0, time.monotonic(), fast=False, live=True, stop=threading.Event())
    lost: list[str] = []

    def read() -> None:
        try:
            microphone.run(Sinks(queue, None), playback)
        except SourceError as error:
            lost.append(str(error))
        microphone.close()

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    queue.get()
    microphone._process.send_signal(signal.SIGSTOP)
    microphone.abandon()
    reading.join(5)
    assert not reading.is_alive()
    assert lost == ["the default microphone was lost: it gives no more sound"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "its process ended: AttributeError: module 'sounddevice' has no attribute"),
        ("raise OSError('no library')", "microphones need PortAudio's library"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its process ended: without a word"),
        ("print('noise', flush=True)", "its process ended"),
        (
            _REFUSING.format(r"Multiple input devices found for `e`:\n[0] pulse, ALSA\n[1] default, ALSA"),
            "its name fits [0] pulse, ALSA, [1] default, ALSA; give an index, or more of the name",
        ),
        (_REFUSING.format("No input device matching `x`"), "no microphone's name holds that"),
        (_REFUSING.format("Error querying device 99"), "no microphone has that index"),
        (_REFUSING.format("Error querying device -1"), "there is none"),
    ],
)
def test_whatever_goes_wrong_is_said(portaudio, code, said):
    portaudio(code)
    with pytest.raises(SourceError, match="the default microphone can't be opened") as refused:
        Microphone("default").open()
    assert said in str(refused.value)


def test_one_that_does_not_answer_is_given_up(portaudio, monkeypatch):
    monkeypatch.setattr("emostream.streamer.sources.microphone._ANSWER_S", 0.5)
    portaudio("import time; time.sleep(60)")
    with pytest.raises(SourceError, match="PortAudio did not answer within"):
        Microphone("default").open()


def test_modules_of_the_working_directory_are_not_taken(portaudio, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("json", "queue", "sounddevice", "numpy"):
        (elsewhere / f"{name}.py").write_text("open('taken', 'w').close()")
    monkeypatch.chdir(elsewhere)
    microphone = Microphone("default")
    microphone.open()
    microphone.close()
    assert not (elsewhere / "taken").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory has a name for a moment")
def test_nothing_is_left_of_a_session_that_is_killed(portaudio):
    before = set(os.listdir("/dev/shm"))
    code = (
        "from emostream.streamer.sources.microphone import Microphone as M\nm = M('default')\nm.open()\n"
        "print(m._process.pid, flush=True)\nimport time\ntime.sleep(60)"
    )
    session = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(session.stdout.readline())
    session.kill()
    session.wait()
    until = time.monotonic() + 5
    while os.path.exists(f"/proc/{child}") and " Z " not in open(f"/proc/{child}/stat").read():  # noqa: SIM115
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not [name for name in set(os.listdir("/dev/shm")) - before if name.startswith("emostream")]
    session.stdout.close()
