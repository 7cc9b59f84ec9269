"""Prometheus metrics of a session over HTTP, read off the meters whenever somebody asks."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.server import ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from emostream.streamer.address import Address, names_this_machine
from emostream.streamer.pipeline.stream import Stream
from emostream.streamer.protocol.events import StatusEvent
from emostream.streamer.publishing.channel import LATENCY_BOUNDS_MS

__all__ = ["MetricsServer"]

_log = logging.getLogger("emostream")

_REQUEST_S = 10.0  # for a client to say what it wants
_MOST = 32  # requests at once; each takes a thread and an open file
_POLL_S = 0.1
_TASKS = Path("/proc/self/task")


class MetricsServer:
    """Serves `/metrics` between `with` and its end; the constructor opens nothing.

    Attributes:
        url: of the metrics, with the port that was bound.
    """

    def __init__(self, address: Address, streams: Sequence[Stream], output_failures: Callable[[], int]) -> None:
        """Serve these streams' metrics; `output_failures` counts what `--output` could not take."""
        self._address = address
        self._registry = CollectorRegistry()
        self._registry.register(_SessionCollector(streams, output_failures))
        ProcessCollector(registry=self._registry)
        self._server: _Server | None = None
        self.url = ""

    def __enter__(self) -> MetricsServer:
        host = self._address.host
        handler = _Handler.factory(self._registry)
        handler.timeout = _REQUEST_S  # type: ignore[attr-defined]
        alone = self._address.is_loopback
        self._server = self._address.bind(
            "metrics", "metrics", lambda family, where: _Server(family, where, handler, of_this_machine_alone=alone)
        )
        threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True).start()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_port}/metrics"
        _log.info("metrics on %s", self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Handler(MetricsHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        host = self.headers.get("Host", "")
        # Others may know this machine by any name, and were let in with --insecure.
        if self.server.of_this_machine_alone and not names_this_machine(host, self.server.server_name):
            self.send_error(421, "that is no name of this machine; take the address that emostream printed")
        elif self.path.partition("?")[0] == "/metrics":
            super().do_GET()
        else:
            self.send_error(404, "the metrics are at /metrics")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, family: int, where: Any, handler: Any, *, of_this_machine_alone: bool) -> None:
        self.address_family = family
        self.of_this_machine_alone = of_this_machine_alone
        self._free = threading.BoundedSemaphore(_MOST)
        super().__init__(where, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve it in a thread of its own, or refuse it where there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See above."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def server_bind(self) -> None:
        """Bind, and don't ask the network for the address's name, as the class above does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is nothing to report; anything else is a mistake of ours."""
        error = sys.exc_info()[1]
        _log.log(logging.DEBUG if isinstance(error, OSError) else logging.ERROR, "metrics: %s", error, exc_info=True)


class _SessionCollector(Collector):
    """Turns the status of every stream into metrics. It counts nothing itself."""

    def __init__(self, streams: Sequence[Stream], output_failures: Callable[[], int]) -> None:
        self._streams, self._output_failures = streams, output_failures

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        states = {stream.name: stream.status.event("running") for stream in self._streams}
        yield from self._of_process(next(iter(states.values())))
        yield from self._totals(states)
        yield from self._moments(states)
        yield self._latencies()

    def _of_process(self, status: StatusEvent) -> Iterator[Metric]:
        bundle, engine = status.bundle, status.engine
        about = {"version": version("emostream")}
        if bundle is not None:
            about |= {"bundle": bundle.name, "preset": bundle.preset, "bundle_sha256": bundle.sha256}
        yield InfoMetricFamily("emostream", "This emostream and what it recognises with", about)
        if engine is not None:
            values = {"engine": engine.name, "device": engine.device, "precision": engine.precision}
            yield InfoMetricFamily("emostream_engine", "What runs the networks; absent while it loads", values)
        threads = len(list(_TASKS.iterdir())) if _TASKS.is_dir() else threading.active_count()
        yield GaugeMetricFamily("emostream_threads", "Threads of the process, with those of libraries", threads)
        yield CounterMetricFamily(
            "emostream_output_failures", "Events that --output could not take", self._output_failures()
        )

    def _totals(self, states: dict[str, StatusEvent]) -> Iterator[Metric]:
        meters = {stream.name: stream.meters for stream in self._streams}
        channels = {stream.name: stream.channel for stream in self._streams}
        counted: dict[str, tuple[str, Mapping[str, float]]] = {
            "emostream_events_published": (
                "Emotion and utterance events",
                {n: c.published for n, c in channels.items()},
            ),
            "emostream_events_dropped": (
                "Events without room in the queue",
                {n: c.dropped for n, c in channels.items()},
            ),
            "emostream_segments": ("Segments recognised", {n: m.segments.total for n, m in meters.items()}),
            "emostream_frames": ("Camera frames seen", {n: m.frames.total for n, m in meters.items()}),
            "emostream_face_frames": ("Camera frames with a face", {n: m.faces.total for n, m in meters.items()}),
            "emostream_audio_seconds": ("Audio heard", {n: m.audio_s.total for n, m in meters.items()}),
            "emostream_dropped_segments": (
                "Segments dropped because the engine fell behind",
                {n: s.dropped.segments for n, s in states.items()},
            ),
            "emostream_dropped_frames": ("Camera frames dropped", {n: s.dropped.frames for n, s in states.items()}),
            "emostream_dropped_audio_seconds": (
                "Audio lost",
                {n: s.dropped.audio_ms / 1000.0 for n, s in states.items()},
            ),
            "emostream_engine_retries": (
                "Batches for which the engine was asked a second time",
                {n: s.engine_retries for n, s in states.items()},
            ),
        }
        for name, (what, values) in counted.items():
            family = CounterMetricFamily(name, what, labels=["stream"])
            for stream, value in values.items():
                family.add_metric([stream], value)
            yield family
        family = CounterMetricFamily("emostream_source_losses", "Losses of a source", labels=["stream", "modality"])
        for stream, status in states.items():
            for modality in ("audio", "video"):
                family.add_metric([stream, modality], getattr(status.losses, modality))
        yield family

    def _moments(self, states: dict[str, StatusEvent]) -> Iterator[Metric]:
        yield _gauge("emostream_uptime_seconds", "Since the start of the session", states, lambda s: s.uptime_s)
        yield _gauge("emostream_frames_per_second", "Just now", states, lambda s: s.rates.frames_per_s)
        yield _gauge("emostream_face_frames_per_second", "Just now", states, lambda s: s.rates.faces_per_s)
        yield _gauge("emostream_audio_ratio", "Audio per time, just now", states, lambda s: s.rates.audio_per_s)
        yield _gauge("emostream_segments_per_second", "Just now", states, lambda s: s.rates.segments_per_s)
        yield _gauge("emostream_audio_level_dbfs", "Loudness of a second", states, lambda s: s.levels.audio_dbfs)
        yield _gauge("emostream_brightness", "Mean of the frame, 0 to 255", states, lambda s: s.levels.brightness)
        yield _gauge("emostream_speech", "Whether somebody speaks", states, lambda s: s.levels.speech)
        yield _gauge("emostream_face", "Whether a face is seen", states, lambda s: s.levels.face)
        yield _gauges(
            ("emostream_source_running", "Whether the source runs; absent where there is none", "modality"),
            states,
            lambda s: {m: v == "running" for m in ("audio", "video") if (v := getattr(s.sources, m)) != "off"},
        )
        yield _gauges(("emostream_queue_items", "What waits", "queue"), states, lambda s: s.queues)
        yield _gauges(
            ("emostream_stage_seconds", "Mean time for one item, of the last thousand", "stage"),
            states,
            lambda s: {stage: ms / 1000.0 for stage, ms in s.stages_ms.items()},
        )
        yield _gauges(
            ("emostream_latency_quantile_seconds", "Capture to sending, of the last thousand events", "quantile"),
            states,
            lambda s: (
                {"0.5": q.p50 / 1000.0, "0.95": q.p95 / 1000.0, "0.99": q.p99 / 1000.0, "1": q.max / 1000.0}
                if (q := s.latency_ms)
                else {}
            ),
        )

    def _latencies(self) -> Metric:
        family = HistogramMetricFamily("emostream_latency_seconds", "Capture to sending of events", labels=["stream"])
        for stream in self._streams:
            counts, total_ms = stream.channel.latency_counts()
            bounds = [*(f"{bound / 1000.0:g}" for bound in LATENCY_BOUNDS_MS), "+Inf"]
            family.add_metric([stream.name], list(zip(bounds, counts, strict=True)), total_ms / 1000.0)
        return family


def _gauge(
    name: str, what: str, states: dict[str, StatusEvent], value: Callable[[StatusEvent], float | None]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=["stream"])
    for stream, status in states.items():
        if (found := value(status)) is not None:
            family.add_metric([stream], float(found))
    return family


def _gauges(
    about: tuple[str, str, str],
    states: dict[str, StatusEvent],
    values: Callable[[StatusEvent], Mapping[str, float]],
) -> GaugeMetricFamily:
    """A gauge with one more label: `about` is its name, what it says, and that label."""
    name, what, label = about
    family = GaugeMetricFamily(name, what, labels=["stream", label])
    for stream, status in states.items():
        for key, value in values(status).items():
            family.add_metric([stream, key], float(value))
    return family
