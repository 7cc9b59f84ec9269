"""What `--metrics` serves: read back by Prometheus's own parser, and compared with what subscribers get."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from prometheus_client.parser import text_string_to_metric_families

from emostream.engines.errors import ConfigError
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.config import Config
from emostream.streamer.protocol.events import StatusEvent
from emostream.streamer.publishing.channel import LATENCY_BOUNDS_MS
from tests.streamer.running import COMMAND, demo_clip, one_line_error, run


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"))


def scrape(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples, by name and labels."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_session_is_measured(clip, bundle_folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(f'[streams.desk]\ninput = "{clip}"\n[streams.door]\ncamera = "{clip}"\nmic = "none"\n')
    options = ["--bundle", str(bundle_folder), "--publish", endpoint, "--metrics", "127.0.0.1:0"]
    process = subprocess.Popen([*COMMAND, "--config", str(fleet), *options], stderr=subprocess.PIPE, text=True)
    url = next(m[1] for line in process.stderr if (m := re.search(r"metrics on (\S+)", line)))
    with Subscriber(endpoint, stream="desk", status=True, timeout=20.0) as subscriber:
        events = [subscriber.receive() for _ in range(12)]
        before = max(event.seq for event in events if not isinstance(event, StatusEvent))
        found = scrape(url)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("/metrics", "/etc/passwd"), timeout=10)
    status = [event for event in events if isinstance(event, StatusEvent)][-1]

    def of(name: str, **labels: str) -> float:
        return found[name, frozenset({"stream": "desk", **labels}.items())]

    published = of("emostream_events_published_total")
    assert before < published < before + 5
    assert of("emostream_segments_total") >= published
    assert of("emostream_latency_seconds_count") <= published
    buckets = [of("emostream_latency_seconds_bucket", le=f"{ms / 1000:g}") for ms in LATENCY_BOUNDS_MS]
    assert buckets == sorted(buckets)
    assert of("emostream_latency_seconds_bucket", le="+Inf") == of("emostream_latency_seconds_count") > 0
    assert 0 < of("emostream_latency_quantile_seconds", quantile="0.5") < 1
    assert of("emostream_frames_per_second") == pytest.approx(status.rates.frames_per_s, abs=8)
    assert of("emostream_frames_total") > 20
    assert of("emostream_audio_seconds_total") > 1
    assert of("emostream_audio_level_dbfs") < 0
    assert of("emostream_dropped_segments_total") == of("emostream_dropped_frames_total") == 0
    assert of("emostream_dropped_audio_seconds_total") == of("emostream_engine_retries_total") == 0
    assert of("emostream_source_running", modality="audio") == of("emostream_source_running", modality="video") == 1
    queues = {dict(labels)["queue"] for name, labels in found if name == "emostream_queue_items"}
    assert queues == {"audio", "frames", "faces", "segments", "events"}
    assert of("emostream_uptime_seconds") >= status.uptime_s
    assert found["emostream_source_running", frozenset({"stream": "door", "modality": "video"}.items())] == 1
    assert ("emostream_source_running", frozenset({"stream": "door", "modality": "audio"}.items())) not in found
    names = {name for name, _ in found}
    assert {"process_resident_memory_bytes", "process_open_fds", "emostream_threads"} <= names
    (about,) = (dict(labels) for name, labels in found if name == "emostream_info")
    assert (about["bundle"], about["bundle_sha256"]) == (status.bundle.name, status.bundle.sha256)
    (engine,) = (dict(labels) for name, labels in found if name == "emostream_engine_info")
    assert engine["engine"] == "openvino"

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        scrape(url)


def test_pages_of_others_and_too_many_at_once_get_nothing(bundle_folder, mjpeg_server):
    options = ["--bundle", str(bundle_folder), "--publish", "tcp://127.0.0.1:*", "--metrics", "127.0.0.1:0"]
    command = [*COMMAND, "--camera", mjpeg_server.url, "--mic", "none", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, ExitStack() as connections:
        url = next(m[1] for line in process.stderr if (m := re.search(r"metrics on (\S+)", line)))
        for host, code in (("evil.example", 421), ("localhost.evil.example:80", 421), ("localhost", 200)):
            request = urllib.request.Request(url, headers={"Host": host})
            try:
                answer = urllib.request.urlopen(request, timeout=10).status
            except urllib.error.HTTPError as error:
                answer = error.code
            assert answer == code, host
        where = ("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))
        for _ in range(100):
            connections.enter_context(socket.create_connection(where, timeout=10))
        threads = len(os.listdir(f"/proc/{process.pid}/task"))
        connections.close()
        assert scrape(url)
        process.send_signal(signal.SIGTERM)
    assert threads < 80


def test_a_port_in_use(clip, bundle_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        error = one_line_error(run("--input", clip, "--bundle", bundle_folder, "--metrics", address))
    assert f"can't serve metrics on {address}: Address already in use; " in error
    assert "--metrics" in error


@pytest.mark.parametrize("text", ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:80", "example.org:80"])
def test_other_machines_are_kept_out_unless_told_otherwise(text):
    with pytest.raises(ConfigError, match="say --insecure"):
        Config(metrics=text)
    address = Config(metrics=text, insecure=True).metrics_address
    assert address is not None
    assert address.port in (9464, 80)


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "[::1]:9464", "localhost:9464", "127.1.2.3:9464"])
def test_this_machine_is_let_in(text):
    address = Config(metrics=text).metrics_address
    assert address is not None
    assert (address.host, address.port) == (text.rpartition(":")[0].strip("[]"), 9464)


@pytest.mark.parametrize("text", ["", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:9464", "*:x"])
def test_what_is_no_address(text):
    with pytest.raises(ConfigError, match="expected ADDRESS:PORT, as in 127"):
        Config(metrics=text)


def test_the_command_refuses_too():
    done = run("--camera", "none", "--metrics", "0.0.0.0:9464")
    assert done.returncode == 2
    assert "--metrics is 0.0.0.0:9464" in one_line_error(done)
