"""A session as the command runs it: with the terminal, what runs beside it, and signals that end it."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import ExitStack
from typing import Any

import typer
from rich.console import Console as Terminal
from rich.live import Live

from emostream.engines.bundle import Bundle
from emostream.streamer.companions import companions_of, metrics_of
from emostream.streamer.config import Config
from emostream.streamer.events import Event
from emostream.streamer.pipeline import Pipeline
from emostream.streamer.showing.console import Console
from emostream.streamer.showing.fleet_view import FleetView
from emostream.streamer.showing.view import View
from emostream.streamer.stopping import STOPPING

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
        for server in metrics_of(config, pipeline):
            open_things.enter_context(server)
        listeners += [open_things.enter_context(each) for each in companions_of(config, pipeline)]
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
