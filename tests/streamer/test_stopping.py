"""A signal ends the command within two seconds and with code 0, whatever it is doing, and leaves no process behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.streamer.running import COMMAND, demo_clip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which signals a process heeds")

HOOKED = [sys.executable, str(Path(__file__).with_name("hooked.py"))]
EXAMPLES = int(os.environ.get("EMOSTREAM_FUZZ_EXAMPLES", "5"))
FREE_PORT = ["--publish", "tcp://127.0.0.1:*"]
NUMBERS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"))


def start(command: list[object], **options: object) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options,
    )  # fmt: skip


def heeds_signals(process: subprocess.Popen[str]) -> bool:
    """Whether it has come so far: Python itself takes some time to start."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def stop(process: subprocess.Popen[str], number: int) -> tuple[float, str]:
    """Send a signal; how long the process took to end, and what it had said."""
    begun = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    took = time.monotonic() - begun
    while group_exists(process.pid):  # what was ended with it stays until the system has noticed
        assert time.monotonic() < begun + 5.0, "a process is left"
        time.sleep(0.05)
    return took, stderr


def group_exists(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.fault(
    "SIGTERM, SIGINT, SIGHUP",
    "at random moments from the first import on",
    "ended within 2 s, exit code 0, no process left",
)
@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_a_signal_at_any_moment(clip, bundle_folder, tmp_path, seed):
    chance = random.Random(seed)
    process = start([*COMMAND, "--input", clip, "--bundle", bundle_folder, "--output", tmp_path / "x", *FREE_PORT])
    time.sleep(chance.uniform(0.0, 4.0))
    heeded = heeds_signals(process)
    took, stderr = stop(process, chance.choice(NUMBERS))
    assert took < 2.0
    if heeded:
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr
        assert "error" not in stderr


BLOCKING = {
    "the bundle": "import emostream.engines.bundle as m; m.Bundle.load = block",
    "the choice of the engine": "import emostream.streamer.pipeline.pipeline as m; m.choose_engine = block",
    "the engine that loads": "import emostream.engines.backends.openvino.engine as m; m.OpenVinoEngine.load = block",
    "the engine that runs": "import emostream.engines.backends.openvino.engine as m; m.OpenVinoEngine.embed = block",
    "the sources that open": "import emostream.streamer.pipeline.stream as m; m.open_sources = block",
    "the source that reads": "from emostream.streamer.sources.file import FileSource as R; R.run = block",
    "the source that closes": "from emostream.streamer.sources.file import FileSource as R; R.close = block",
}


@pytest.mark.fault(
    "SIGTERM while something blocks",
    "loading, choosing, opening, reading, running or closing never returns",
    "the same",
)
@pytest.mark.parametrize("what", BLOCKING)
def test_whatever_blocks(clip, bundle_folder, what):
    process = start([*HOOKED, BLOCKING[what], "--input", clip, "--bundle", bundle_folder, *FREE_PORT])
    if what == "the source that closes":
        process.stderr.readline()  # it publishes
    else:
        assert process.stdout.readline() == "blocked\n"
    took, stderr = stop(process, signal.SIGTERM)
    assert took < 2.0
    assert process.returncode == 0, stderr
    assert "error" not in stderr


def test_a_camera_whose_opening_blocks(bundle_folder):
    hook = "from emostream.streamer.sources.camera import Camera as C; C.open = block"
    process = start([*HOOKED, hook, "--camera", "0", "--mic", "none", "--bundle", bundle_folder, *FREE_PORT])
    assert process.stdout.readline() == "blocked\n"
    took, stderr = stop(process, signal.SIGTERM)
    assert took < 2.0
    assert process.returncode == 0, stderr


def test_a_library_that_is_still_loading(tmp_path):
    (tmp_path / "typer.py").write_text("import time\nprint('blocked', flush=True)\ntime.sleep(3600)\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    process = start(list(COMMAND), env=os.environ | {"PYTHONPATH": path})
    assert process.stdout.readline() == "blocked\n"
    took, stderr = stop(process, signal.SIGINT)
    assert took < 1.0
    assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "hook", ["", "from emostream.streamer.client.subscriber import Subscriber as S; S.receive = block"]
)
def test_a_question_that_was_not_answered_is_no_success(number, hook):
    """A supervisor must not take it for the answer that all is well; neither while the command still loads."""
    process = start([*(HOOKED if hook else [*COMMAND[:1], "-m", "emostream"]), *([hook] if hook else []), "health"])
    if hook:
        assert process.stdout.readline() == "blocked\n"
    else:
        while not heeds_signals(process):
            time.sleep(0.001)
    took, stderr = stop(process, number)
    assert took < 1.0
    assert (process.returncode, stderr) == (128 + number, "")


def test_a_second_signal_during_the_stop(clip, bundle_folder):
    hook = "from emostream.engines.backends.openvino.engine import OpenVinoEngine as E; E.embed = block"
    process = start([*HOOKED, hook, "--input", clip, "--bundle", bundle_folder, *FREE_PORT])
    assert process.stdout.readline() == "blocked\n"
    process.send_signal(signal.SIGTERM)
    took, stderr = stop(process, signal.SIGINT)
    assert took < 2.0
    assert process.returncode == 0, stderr


@pytest.mark.parametrize("number", NUMBERS)
def test_the_other_commands_end_at_once(number):
    hook = "from emostream.streamer.client.subscriber import Subscriber as S; S.receive = block"
    process = start([*HOOKED, hook, "listen", "tcp://127.0.0.1:1"])
    assert process.stdout.readline() == "blocked\n"
    took, stderr = stop(process, number)
    assert took < 1.0
    assert (process.returncode, stderr) == (0, "")


def test_the_building_of_an_engine_ends_at_once():
    hook = "import emostream.engines.backends.tensorrt.flavour as m; m.find_flavour = block"
    process = start([*HOOKED, hook, "engines", "build", "--compute-capability", "8.6"])
    assert process.stdout.readline() == "blocked\n"
    took, stderr = stop(process, signal.SIGTERM)
    assert took < 1.0
    assert (process.returncode, stderr) == (0, "")


def test_what_nohup_ignores_stays_ignored(bundle_folder, clip):
    hook = "from emostream.engines.bundle import Bundle as B; B.load = block"
    process = start(["nohup", *HOOKED, hook, "--input", clip, *FREE_PORT], stdin=subprocess.DEVNULL)
    assert process.stdout.readline() == "blocked\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    took, stderr = stop(process, signal.SIGTERM)
    assert took < 1.0
    assert process.returncode == 0, stderr


def test_with_every_standard_file_closed(bundle_folder, clip, tmp_path):
    output = tmp_path / "events.jsonl"
    options = f"--input {clip} --bundle {bundle_folder} --publish tcp://127.0.0.1:* --log-json --output {output}"
    process = start(["bash", "-c", f"exec {' '.join(COMMAND)} {options} <&- >&- 2>&-"])
    deadline = time.monotonic() + 20.0
    while not (output.exists() and output.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    took, _ = stop(process, signal.SIGTERM)
    assert took < 2.0
    assert process.returncode == 0
    assert output.stat().st_size
