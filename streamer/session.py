"""A session as the command runs it: with the terminal, the live page, the metrics, and signals that end it."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import typer
from rich.console import Console as Terminal
from rich.live import Live

from engines.bundle import Bundle
from streamer.config import Config
from streamer.events import Event
from streamer.pipeline import Pipeline
from streamer.showing.console import Console
from streamer.showing.fleet_view import FleetView
from streamer.showing.view import View
from streamer.stopping import STOPPING

__all__ = ["run_session"]

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
        open_things.enter_context(_metrics(config, pipeline))
        listeners += [open_things.enter_context(each) for each in _pages(config, pipeline)]
        listeners += [open_things.enter_context(bridge) for bridge in _bridges(config, pipeline)]
        if config.record is not None:
            from streamer.recording.recording import Recording  # which loads what encodes, too

            listeners.append(open_things.enter_context(Recording(config.record, config, bundle, pipeline.streams)))
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


def _pages(config: Config, pipeline: Pipeline) -> list[Any]:
    if config.web_address is None:
        return []
    from streamer.web.page import Certificate, LivePage  # a session without a page needs no server for it

    certificate = None
    if config.web_cert is not None and config.web_key is not None:
        certificate = Certificate(config.web_cert, config.web_key)
    return [LivePage(config.web_address, certificate, pipeline.streams, pipeline.bundle.manifest)]


def _bridges(config: Config, pipeline: Pipeline) -> list[Any]:
    bridges: list[Any] = []
    if config.osc is not None:
        from streamer.bridges.osc import OscBridge  # whoever has no lab needs none of its tools

        bridges.append(OscBridge(config.osc))
    if config.lsl:
        from streamer.bridges.lsl import LslBridge

        names = [stream.name for stream in pipeline.streams]
        source = f"emostream-{socket.gethostname()}"
        bridges.append(LslBridge(names, pipeline.bundle.manifest.labels, pipeline.unix_offset, source))
    return bridges


def _metrics(config: Config, pipeline: Pipeline) -> AbstractContextManager[object]:
    if config.metrics_address is None:
        return nullcontext()
    from streamer.showing.metrics import MetricsServer  # a session without metrics needs no Prometheus

    return MetricsServer(config.metrics_address, pipeline.streams, lambda: pipeline.output_failures)
