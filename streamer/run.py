"""A session as the command runs it: with the terminal, what runs beside it, and signals that end it."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

import typer
from rich.console import Console as Terminal
from rich.live import Live

from emostream.engines.bundle import Bundle
from emostream.streamer.config import Config
from emostream.streamer.pipeline.pipeline import Pipeline
from emostream.streamer.protocol.events import Event
from emostream.streamer.stopping import STOPPING
from emostream.streamer.terminal.console import Console
from emostream.streamer.terminal.view import FleetView, View

__all__ = ["SessionListener", "listeners_of", "metrics_of", "run_session"]

_log = logging.getLogger("emostream")


def run_session(config: Config) -> None:
    """Run a session to its end.

    Raises:
        EmostreamError: something can't be opened or loaded, or failed.
    """
    bundle = Bundle.load(config.bundle)
    listeners: list[Any] = []

    def on_event(event: Event) -> None:
        for listener in listeners:
            listener.on_event(event)

    stop = threading.Event()
    pipeline = Pipeline(config, bundle, on_event, stop)
    streams, manifest = pipeline.streams, bundle.manifest
    if not manifest.trained:
        _log.warning("bundle %s is untrained: its weights are random, and its scores mean nothing", config.bundle)
    STOPPING.hand_to(stop)
    with ExitStack() as open_things:
        for server in metrics_of(config, pipeline):
            open_things.enter_context(server)
        listeners += [open_things.enter_context(each) for each in listeners_of(config, pipeline)]
        if config.view:
            view = View(streams[0], manifest) if len(streams) == 1 else FleetView(streams, manifest)
            listeners.append(view)
            with Live(view, auto_refresh=False, console=Terminal()) as live:
                pipeline.run(on_tick=live.refresh, tick_s=0.1)
        elif sys.stdout.isatty() and config.output != "-":
            console = Console(streams, typer.echo, trained=manifest.trained)
            listeners.append(console)
            pipeline.run(on_tick=console.on_tick)
        else:
            pipeline.run()


class SessionListener(Protocol):
    """Opened before the session and closed after it, and told of its events."""

    def on_event(self, event: Event) -> None:
        """Take an event that was just published, in the publisher's thread."""


def listeners_of(config: Config, pipeline: Pipeline) -> Iterator[AbstractContextManager[SessionListener]]:
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
        from emostream.streamer.recording.recording import SessionRecorder

        yield SessionRecorder(config.record, config, pipeline.bundle, streams)


def metrics_of(config: Config, pipeline: Pipeline) -> Iterator[AbstractContextManager[object]]:
    """The server of metrics, if the options name one; it reads meters and is told of nothing."""
    if config.metrics_address is not None:
        from emostream.streamer.prometheus import MetricsServer

        yield MetricsServer(config.metrics_address, pipeline.streams, lambda: pipeline.output_failures)
