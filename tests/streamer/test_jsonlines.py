"""The file of JSON Lines: every line can be read, whatever happened to whoever wrote it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from emostream.streamer.outputs.jsonlines import JsonLinesWriter
from emostream.streamer.protocol.events import decode, encode
from tests.streamer.samples import EMOTION, UTTERANCE

WRITING = [sys.executable, "-m", "tests.streamer.writing"]
EXAMPLES = int(os.environ.get("EMOSTREAM_FUZZ_EXAMPLES", "5"))
LINE = encode(replace(EMOTION, stream="desk", session="0" * 32))
LAST = encode(replace(UTTERANCE, stream="desk", session="0" * 32))


def append(path: Path, *messages: bytes) -> JsonLinesWriter:
    writer = JsonLinesWriter(path)
    writer.open()
    for message in messages:
        writer.write(message)
    writer.close()
    return writer


def killed_while_writing(output: Path, seconds: float) -> int:
    """Write into an output, and kill the process after some time; how many events it said were written."""
    process = subprocess.Popen([*WRITING, str(output)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read().split(b"\n")  # what follows the last line break is torn
    process.stdout.close()
    process.wait()
    return int(said[-2]) + 1 if len(said) > 1 else 1


@pytest.mark.fault(
    "`kill -9` while `--output` is written",
    "a process is killed at random moments",
    "the last line is lost at most; every line of the file is whole after the next start",
)
def test_a_process_that_is_killed_at_any_moment_loses_the_last_line_at_most(tmp_path):
    chance = random.Random(1)
    path = tmp_path / "events.jsonl"
    lengths = []
    for _ in range(EXAMPLES):
        written = killed_while_writing(path, chance.uniform(0.0, 0.3))
        lengths.append(written)
        append(path, LAST)
    sessions: list[list[int]] = [[]]
    for line in path.read_bytes().splitlines():
        event = decode(line)  # every line can be read
        if event.type == "utterance":
            sessions.append([])
        else:
            sessions[-1].append(event.seq)
    assert [numbers == list(range(len(numbers))) for numbers in sessions[:-1]] == [True] * EXAMPLES
    for numbers, written in zip(sessions, lengths, strict=False):
        assert len(numbers) in (written, written + 1)  # it may be killed before it says so


@pytest.mark.parametrize("rest", [LINE[:1], LINE[:40], LINE[:-1], b"\0" * 100, LINE[:40] + b"\0" * 50])
def test_a_torn_line_is_cut_off(tmp_path, caplog, rest):
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINE + b"\n" + rest)
    append(path, LINE)
    assert path.read_bytes() == 2 * (LINE + b"\n")
    assert f"torn line of {len(rest)} bytes, which is cut off" in caplog.text


def test_a_line_that_lacks_its_break_alone_is_kept(tmp_path, caplog):
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINE)
    append(path, LINE)
    assert path.read_bytes() == 2 * (LINE + b"\n")
    assert not caplog.text


@pytest.mark.parametrize("text", [b"not a line of ours", b"x" * (1 << 21)])
def test_text_that_is_none_of_ours_is_kept(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    append(path, LINE)
    assert path.read_bytes() == text + b"\n" + LINE + b"\n"


@pytest.mark.parametrize("content", [b"", LINE + b"\n"])
def test_a_whole_file_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    append(path)
    assert path.read_bytes() == content


FULL_DISK = """
import resource, signal, sys
from emostream.streamer.outputs.jsonlines import JsonLinesWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
line, path = sys.argv[1].encode(), sys.argv[2]
writer = JsonLinesWriter(path)
writer.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
for _ in range(4):
    writer.write(line)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write(line)
print(writer.failures)
"""


@pytest.mark.fault(
    "Disk that is full while `--output` writes",
    "the file may grow by one line and a half and no more",
    "what doesn't fit is counted, every line is whole, and it goes on once there is room",
)
@pytest.mark.skipif(sys.platform == "win32", reason="there a file has no limit to set")
def test_a_line_that_a_full_disk_cuts_short_is_taken_back(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINE)  # lacks its break, which must be written anew
    room = int(2.5 * len(LINE))
    command = [sys.executable, "-c", FULL_DISK, LINE.decode(), str(path), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "3\n"
    assert path.read_bytes() == 3 * (LINE + b"\n")


def test_a_pipe_gets_lines_too(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        append(path, LINE, LINE)
        assert os.read(reader, 65536) == 2 * (LINE + b"\n")
    finally:
        os.close(reader)
