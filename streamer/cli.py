"""The command `emostream`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console as Terminal
from rich.live import Live

from engines.errors import ConfigError, EmostreamError
from engines.redaction import without_secrets
from engines.starter import STARTER
from streamer import engines_command
from streamer.config import Config, StreamConfig
from streamer.config_file import STREAM_OPTIONS, read_config_file
from streamer.events import DEFAULT_ENDPOINT, Event
from streamer.log import set_up_log

__all__ = ["app", "main"]

# Typer names only a subclass in public, and some of its releases carry a click of their own.
_UsageError: Any = typer.BadParameter.__bases__[0]

_HELP = """Watch a face, hear a voice, and publish about three emotion events a second over ZeroMQ.

Without options: camera 0 and the default microphone. Nothing leaves this machine unless --publish says so, and
pictures and sound are never stored or sent.
"""

app = typer.Typer(
    name="emostream",
    help=_HELP,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(engines_command.app, name="engines")


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None:
        given = read_config_file(path)
        # The parameter of --input is called input_: Python has a function of that name.
        context.default_map = {"input_" if name == "input" else name: value for name, value in given.options.items()}
        context.obj = given.streams
    return path


def _streams_of_file(context: typer.Context, path: Path | None) -> tuple[StreamConfig, ...]:
    """The streams that the configuration file names; then the command line may not name another one."""
    streams: tuple[StreamConfig, ...] = context.obj or ()
    said = [name for name in ("stream", *STREAM_OPTIONS) if _said(context, name)]
    if streams and said:
        raise ConfigError(f"--{said[0]} is of one stream, but {path} names its own; leave it out, or set it there")
    return streams


def _said(context: typer.Context, option: str) -> bool:
    name = "input_" if option == "input" else option.replace("-", "_")
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emostream {version('emostream')}")
        raise typer.Exit


_Sources, _Model, _Results, _Run = "Sources", "Recognition", "Results", "Session"


@app.callback()
def _emostream(
    context: typer.Context,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="0|PATH|URL|none", help="Camera by index or path, a video file, or a URL.", rich_help_panel=_Sources
        ),
    ] = None,
    mic: Annotated[
        str | None,
        typer.Option(
            metavar="default|NAME|INDEX|FILE|none", help="Microphone, or an audio file.", rich_help_panel=_Sources
        ),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE|URL",
            help="A recording or network stream with picture and sound.",
            rich_help_panel=_Sources,
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Play files as quickly as possible.", rich_help_panel=_Sources)
    ] = False,
    av_offset_ms: Annotated[
        float,
        typer.Option(metavar="MS", help="How much later than the sound the picture comes.", rich_help_panel=_Sources),
    ] = 0.0,
    bundle: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="Networks and heads: a bundle's folder or .zip; the starter if not given.",
            rich_help_panel=_Model,
            show_default=False,
        ),
    ] = STARTER,
    engine: Annotated[
        str,
        typer.Option(
            metavar="auto|openvino|onnxruntime|tensorrt", help="What runs the networks.", rich_help_panel=_Model
        ),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(metavar="auto|fp32|bf16|fp16|int8", help="Arithmetic of the networks.", rich_help_panel=_Model),
    ] = "auto",
    face_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Find faces with this YuNet model instead of Viola-Jones.", rich_help_panel=_Model
        ),
    ] = None,
    publish: Annotated[
        str, typer.Option(metavar="tcp://...", help="ZeroMQ endpoint to bind.", rich_help_panel=_Results)
    ] = DEFAULT_ENDPOINT,
    stream: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the stream in topics.", rich_help_panel=_Results)
    ] = "default",
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-", help="Also append the events to a file, as JSON Lines.", rich_help_panel=_Results
        ),
    ] = None,
    view: Annotated[
        bool, typer.Option("--view", help="Show a live picture in the terminal.", rich_help_panel=_Results)
    ] = False,
    duration: Annotated[
        float | None, typer.Option(metavar="S", help="End after so many seconds.", rich_help_panel=_Run)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read options from a TOML file; the command line wins.",
            callback=_load_config,
            is_eager=True,
            rich_help_panel=_Run,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more about what happens.", rich_help_panel=_Run)
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    set_up_log(verbose)
    if context.invoked_subcommand is not None:
        return
    one = StreamConfig(name=stream, camera=camera, mic=mic, input=input_, av_offset_ms=av_offset_ms)
    _run(
        Config(
            streams=_streams_of_file(context, config) or (one,),
            bundle=bundle,
            engine=engine,
            precision=precision,
            publish=publish,
            output=output,
            view=view,
            fast=fast,
            duration_s=duration,
            face_model=face_model,
        )
    )


@app.command()
def listen(
    endpoint: Annotated[str, typer.Argument(help="Where an emostream publishes.")] = DEFAULT_ENDPOINT,
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the JSON as received.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Give up after so many seconds without a message.")
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after so many events.")] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="End when the session ends.")] = False,
) -> None:
    """Print the events that an emostream publishes."""
    from streamer.listen import listen as listen_to

    try:
        listen_to(endpoint, stream=stream, json_lines=json, timeout=timeout, count=count, until_end=until_end)
    except TimeoutError as error:
        raise EmostreamError(str(error)) from None


@app.command()
def devices() -> None:
    """List the cameras and microphones of this machine."""
    from streamer.devices import describe_devices

    typer.echo(describe_devices())


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1, or 2 for a wrong option."""
    # NumPy only has small matrices here, and its threads would take the cores from the engine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A thread that comes back from native code waits at most so long for one that runs Python.
    sys.setswitchinterval(0.001)
    if not sys.stdout:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        code = app(prog_name="emostream", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        _fail(error.format_message(), 2)
    except ConfigError as error:
        _fail(str(error), 2)
    except EmostreamError as error:
        _fail(str(error), 1)
    except OSError as error:
        _fail(f"standard output can't be written: {error.strerror}", 1)
    except (typer.Abort, KeyboardInterrupt):
        os._exit(130)
    # A thread that a driver holds must not hold the exit.
    os._exit(code or 0)


def _run(config: Config) -> None:
    from engines.bundle import Bundle
    from streamer.console import Console
    from streamer.fleet_view import FleetView
    from streamer.pipeline import Pipeline
    from streamer.view import View

    stop = _stop_on_signals()
    bundle = Bundle.load(config.bundle)
    listeners: list[Any] = []

    def on_event(event: Event) -> None:
        for listener in listeners:
            listener.on_event(event)

    pipeline = Pipeline(config, bundle, on_event, stop)
    streams, manifest = pipeline.streams, bundle.manifest
    if not manifest.trained:
        logging.getLogger("emostream").warning(
            "bundle %s is untrained: its weights are random, and its scores mean nothing", config.bundle
        )
    if config.view:
        view = View(streams[0], manifest) if len(streams) == 1 else FleetView(streams, manifest)
        listeners.append(view)
        with Live(view, auto_refresh=False, console=Terminal()) as live:
            pipeline.run(on_tick=live.refresh, tick_s=0.1)
        return
    if sys.stdout.isatty() and config.output != "-":
        console = Console(streams, typer.echo, trained=manifest.trained)
        listeners.append(console)
        pipeline.run(on_tick=console.on_tick)
        return
    pipeline.run()


def _stop_on_signals() -> threading.Event:
    """An event that is set when the user, the terminal or a supervisor asks for the end."""
    stop = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            # A handler may not take the locks of an event: it may have interrupted the thread that holds them.
            signal.signal(getattr(signal, name), lambda *_: threading.Thread(target=stop.set, daemon=True).start())
    return stop


def _fail(message: str, code: int) -> NoReturn:
    print(f"emostream: error: {without_secrets(message)}", file=sys.stderr, flush=True)  # noqa: T201
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)
