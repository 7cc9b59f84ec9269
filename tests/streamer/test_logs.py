"""`--log-json`: every line on standard error is a JSON object, whoever wrote it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.streamer.running import COMMAND, demo_clip, run

HOOKED = [sys.executable, str(Path(__file__).with_name("hooked.py"))]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"), 2.0)


def lines_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    """The lines; each must be an object with what every line has."""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(line) <= {
            "time", "level", "logger", "message", "stream", "exception",
        }  # fmt: skip
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert abs((datetime.now(timezone.utc) - datetime.fromisoformat(line["time"][:-1] + "+00:00")).seconds) < 60
        assert line["level"] in ("debug", "info", "warning", "error", "critical")
    return lines


def hooked(hook: str, *options: object) -> subprocess.CompletedProcess[str]:
    command = [*HOOKED, hook, *map(str, options), "--publish", "tcp://127.0.0.1:*"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_session(clip, bundle_folder):
    done = run("--input", clip, "--bundle", bundle_folder, "--fast", "--log-json", "--verbose")
    assert done.returncode == 0
    lines = lines_of(done)
    assert [line["level"] for line in lines if "is untrained" in line["message"]] == ["warning"]
    assert any("publishing on tcp://127.0.0.1:" in line["message"] for line in lines)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--input", "nowhere.mp4"], 1, "nowhere.mp4 does not exist"),
        (["--no-such-option"], 2, "No such option"),
        (["--duration", "long"], 2, "--duration"),
        (["--config", "nowhere.toml"], 2, "configuration nowhere.toml can't be read"),
        (["--publish", "tcp://127.0.0.1:*", "listen", "nonsense"], 2, "can't subscribe to 'nonsense'"),
    ],
)
def test_the_error_that_ends_it(options, code, message):
    done = run("--log-json", *options)
    assert done.returncode == code
    (last,) = (line for line in lines_of(done) if line["level"] == "error")
    assert message in last["message"]
    assert last["logger"] == "emostream"


def test_the_configuration_file_may_ask_for_it(tmp_path):
    path = tmp_path / "emostream.toml"
    path.write_text('log-json = true\ninput = "nowhere.mp4"\nduration = -1.0\n')
    assert [line["level"] for line in lines_of(run("--config", path))] == ["error"]


def test_the_stream_is_named(tmp_path, bundle_folder, clip):
    path = tmp_path / "fleet.toml"
    path.write_text(f'[streams.desk]\ninput = "{clip}"\n[streams.gone]\ninput = "nowhere.mp4"\n')
    lines = lines_of(run("--config", path, "--bundle", bundle_folder, "--fast", "--log-json"))
    (warning,) = (line for line in lines if line["level"] == "warning" and "does not exist" in line["message"])
    assert (warning["stream"], warning["level"]) == ("gone", "warning")
    assert all("stream" not in line for line in lines if "publishing on" in line["message"])


def test_what_others_write_becomes_lines_too(clip, bundle_folder):
    hook = """
import logging, os, sys, threading, warnings
import emostream.streamer.pipeline.stream as m
opened = m.open_sources
def open_sources(*args, **options):
    warnings.warn("a warning of Python's")
    logging.getLogger("a.library").warning("a library's %s", "warning")
    logging.getLogger("a.library").info("too little to say")
    os.write(2, b"native code\\x1b\\xff says\\nthis\\n")
    print("and a print", file=sys.stderr)
    thread = threading.Thread(target=lambda: 1 / 0, name="bad")
    thread.start()
    thread.join()
    return opened(*args, **options)
m.open_sources = open_sources
"""
    done = hooked(hook, "--log-json", "--input", clip, "--bundle", bundle_folder, "--fast")
    assert done.returncode == 0, done.stderr
    lines = lines_of(done)
    said = {line["message"]: line for line in lines}
    (warning,) = (message for message in said if "a warning of Python's" in message)
    assert said[warning]["logger"] == "py.warnings"
    assert said["a library's warning"]["logger"] == "a.library"
    assert said["a library's warning"]["stream"] == "default"
    assert "too little to say" not in said
    assert said["native code\x1b\ufffd says"]["logger"] == said["this"]["logger"] == "stderr"
    assert said["and a print"]["level"] == "warning"
    failed = said["thread bad ended with an exception"]
    assert failed["exception"].startswith("Traceback")
    assert failed["exception"].endswith("ZeroDivisionError: division by zero")


def test_a_mistake_of_ours_is_one_line_with_its_traceback(clip, bundle_folder):
    hook = (
        "import emostream.streamer.pipeline.segmenting as m\n"
        "def run(self): raise KeyError('mistake')\nm.Segmenting.run = run"
    )
    done = hooked(hook, "--log-json", "--input", clip, "--bundle", bundle_folder)
    assert done.returncode == 1
    last = lines_of(done)[-1]
    assert last["level"] == "error"
    assert "KeyError: 'mistake'" in last["exception"]


def test_the_last_words_of_libraries_are_not_lost():
    hook = (
        "import emostream.streamer.client.print_events as m, os\n"
        "def listen(*a, **o): os.write(2, b'last words\\n')\n"
        "m.listen = listen"
    )
    command = [*HOOKED, hook, "--log-json", "listen"]
    for _ in range(5):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert [line["message"] for line in lines_of(done)] == ["last words"]


@pytest.mark.parametrize("to", ["2>&-", "2>/dev/full", "2> >(true)"])
def test_a_standard_error_that_takes_nothing(to, clip, bundle_folder):
    options = f"--input {clip} --fast --bundle {bundle_folder} --publish tcp://127.0.0.1:* --log-json"
    shell = f"{' '.join(COMMAND)} {options} {to}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_crash_of_native_code_still_says_where():
    hook = (
        "import ctypes, emostream.streamer.client.print_events as m\n"
        "def listen(*a, **o): ctypes.string_at(0)\nm.listen = listen"
    )
    done = subprocess.run(
        [*HOOKED, hook, "--log-json", "listen"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr
    assert os.path.basename(__file__) not in done.stderr
    assert "in listen" in done.stderr
