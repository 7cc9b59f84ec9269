"""What a session has beside it, as its options say: a live page, bridges, a recording, metrics.

Each loads what it needs only where it is asked for.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from emostream.streamer.config import Config
from emostream.streamer.events import Event
from emostream.streamer.pipeline import Pipeline

__all__ = ["Companion", "companions_of", "metrics_of"]


class Companion(Protocol):
    """Opened before the session and closed after it, and told of its events."""

    def on_event(self, event: Event) -> None:
        """Take an event that was just published, in the publisher's thread."""


def companions_of(config: Config, pipeline: Pipeline) -> Iterator[AbstractContextManager[Companion]]:
    """Those that the options name, not open yet.

    Raises:
        EmostreamError: one of them can't be what the options say.
    """
    streams, manifest = pipeline.streams, pipeline.bundle.manifest
    if config.web_address is not None:
        from emostream.streamer.web.page import Certificate, Kept, LivePage

        certificate = None
        if config.web_cert is not None and config.web_key is not None:
            certificate = Certificate(config.web_cert, config.web_key)
        results_kept = config.record is not None or config.output not in (None, "-")
        kept: Kept = "media" if config.record_media else "results" if results_kept else "nothing"
        yield LivePage(config.web_address, certificate, streams, manifest, kept)
    if config.osc is not None:
        from emostream.streamer.bridges.osc import OscBridge

        yield OscBridge(config.osc)
    if config.lsl:
        from emostream.streamer.bridges.lsl import LslBridge

        names = [stream.name for stream in streams]
        yield LslBridge(names, manifest.labels, pipeline.unix_offset, f"emostream-{socket.gethostname()}")
    if config.record is not None:
        from emostream.streamer.recording.recording import Recording

        yield Recording(config.record, config, pipeline.bundle, streams)


def metrics_of(config: Config, pipeline: Pipeline) -> Iterator[AbstractContextManager[object]]:
    """The server of metrics, if the options name one; it reads meters and is told of nothing."""
    if config.metrics_address is not None:
        from emostream.streamer.showing.metrics import MetricsServer

        yield MetricsServer(config.metrics_address, pipeline.streams, lambda: pipeline.output_failures)
