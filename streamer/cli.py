"""The command `emostream`."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from emostream.engines.arguments import refuse_empty
from emostream.engines.errors import ConfigError, EmostreamError, EngineRunError
from emostream.engines.starter import STARTER
from emostream.streamer.commands import annotate as annotate_command
from emostream.streamer.commands import devices as devices_command
from emostream.streamer.commands import engines as engines_command
from emostream.streamer.commands import health as health_command
from emostream.streamer.commands import keys as keys_command
from emostream.streamer.commands import listen as listen_command
from emostream.streamer.commands import review as review_command
from emostream.streamer.config import Config, StreamConfig
from emostream.streamer.config_file import STREAM_OPTIONS, read_config_file
from emostream.streamer.logs import Logs
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT
from emostream.streamer.stopping import STOPPING

__all__ = ["app", "main"]

# Typer names only a subclass in public, and some of its releases carry a click of their own.
_UsageError: Any = typer.BadParameter.__bases__[0]

_HELP = """Watch a face, hear a voice, and publish about three emotion events a second over ZeroMQ.

Without options: camera 0 and the default microphone. Nothing leaves this machine unless --publish says so, and
pictures and sound are sent to the page of --web alone, and stored by --record-media alone.
"""

_EXIT_CODES = (
    "Exit codes: 0 ended, or stopped by SIGTERM, SIGINT or SIGHUP; 1 a source, an endpoint or a file could not be "
    "opened, or failed; 2 a wrong option or configuration; 3 the engine failed while running; 128 and the signal's "
    "number, where a signal ended a command before it had answered or made what it was to."
)

_LOGS = Logs()

app = typer.Typer(
    name="emostream",
    help=_HELP,
    epilog=_EXIT_CODES,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(engines_command.app, name="engines")
app.command()(devices_command.devices)
app.command()(listen_command.listen)
app.command()(health_command.health)
app.command()(keys_command.keys)
app.command()(annotate_command.annotate)
app.command()(review_command.review)


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None:
        given = read_config_file(path)
        context.default_map = {_parameter(name): value for name, value in given.options.items()}
        context.obj = given.streams
        if given.options.get("log-json"):
            _LOGS.become_json()
    return path


def _streams_of_file(context: typer.Context, path: Path | None) -> tuple[StreamConfig, ...]:
    """The streams that the configuration file names; then the command line may not name another one."""
    streams: tuple[StreamConfig, ...] = context.obj or ()
    said = [name for name in ("stream", *STREAM_OPTIONS) if _said(context, name)]
    if streams and said:
        raise ConfigError(f"--{said[0]} is of one stream, but {path} names its own; leave it out, or set it there")
    return streams


def _said(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(_parameter(option))
    return source is not None and source.name == "COMMANDLINE"


def _parameter(option: str) -> str:
    """The name that an option has below: Python has a function of the name `input`."""
    return "input_" if option == "input" else option.replace("-", "_")


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
            metavar="0|PATH|URL|browser|none",
            help="Camera by index or path, a video file, a URL, or that of whoever has the --web page open.",
            rich_help_panel=_Sources,
        ),
    ] = None,
    mic: Annotated[
        str | None,
        typer.Option(
            metavar="default|NAME|INDEX|FILE|browser|none",
            help="Microphone, an audio file, or that of whoever has the --web page open.",
            rich_help_panel=_Sources,
        ),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE|URL|browser",
            help="A recording, network stream or browser with picture and sound.",
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
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://...|none",
            help="Where subscribers get missed events again; the port 1000 above --publish's if not given.",
            rich_help_panel=_Results,
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Encrypt, and let in clients of `emostream keys` only.", rich_help_panel=_Results
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Let other machines in where nothing protects.", rich_help_panel=_Results),
    ] = False,
    stream: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the stream in topics.", rich_help_panel=_Results)
    ] = "default",
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            help="Also append the events to a file, as JSON Lines, or as Parquet where it ends in .parquet.",
            rich_help_panel=_Results,
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Record the events into a new folder in this one, with what they are.",
            rich_help_panel=_Results,
        ),
    ] = None,
    record_media: Annotated[
        bool,
        typer.Option("--record-media", help="Record pictures and sound beside them.", rich_help_panel=_Results),
    ] = False,
    osc: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Also send the events as Open Sound Control.", rich_help_panel=_Results),
    ] = None,
    lsl: Annotated[
        bool, typer.Option("--lsl", help="Also show them to Lab Streaming Layer.", rich_help_panel=_Results)
    ] = False,
    view: Annotated[
        bool, typer.Option("--view", help="Show scores, levels and rates in the terminal.", rich_help_panel=_Results)
    ] = False,
    web: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS:PORT", help="Serve the live page, as on 127.0.0.1:8080.", rich_help_panel=_Results
        ),
    ] = None,
    web_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate of the page, for HTTPS.", rich_help_panel=_Results),
    ] = None,
    web_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Key of the certificate.", rich_help_panel=_Results)
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS:PORT", help="Serve Prometheus metrics, as on 127.0.0.1:9464.", rich_help_panel=_Results
        ),
    ] = None,
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
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log JSON, one object a line.", rich_help_panel=_Run)
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    if verbose:
        _LOGS.be_verbose()
    STOPPING.begin(context.invoked_subcommand)
    if context.invoked_subcommand is not None:
        return
    from emostream.streamer.run import run_session

    one = StreamConfig(name=stream, camera=camera, mic=mic, input=input_, av_offset_ms=av_offset_ms)
    run_session(
        Config(
            streams=_streams_of_file(context, config) or (one,),
            bundle=bundle,
            engine=engine,
            precision=precision,
            publish=publish,
            replay=replay,
            keys=keys,
            insecure=insecure,
            output=output,
            record=record,
            record_media=record_media,
            osc=osc,
            lsl=lsl,
            view=view,
            fast=fast,
            duration_s=duration,
            face_model=face_model,
            metrics=metrics,
            web=web,
            web_cert=web_cert,
            web_key=web_key,
            log_json=log_json,
        )
    )


def main() -> None:
    """Run the command; a failure is one line, with the exit code that the help names."""
    # NumPy only has small matrices here, and its threads would take the cores from the engine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A thread that comes back from native code waits at most so long for one that runs Python.
    sys.setswitchinterval(0.001)
    if not sys.stdout:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    _LOGS.begin()
    if "--log-json" in sys.argv:  # before the options are read, since one of them may be wrong
        _LOGS.become_json()
    try:
        refuse_empty(sys.argv[1:])
        code = app(prog_name="emostream", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        _fail(error.format_message(), 2)
    except EmostreamError as error:
        _fail(str(error), _exit_code(error))
    except OSError as error:
        _fail(f"standard output can't be written: {error.strerror}", 1)
    except Exception:
        logging.getLogger("emostream").exception("a mistake of emostream's own; please report it")
        _leave(1)
    _leave(code or 0)


def _exit_code(error: EmostreamError) -> int:
    if isinstance(error, EngineRunError):
        return 3
    return 2 if isinstance(error, ConfigError) else 1


def _fail(message: str, code: int) -> NoReturn:
    logging.getLogger("emostream").error("%s", message)
    with suppress(OSError):
        sys.stdout.flush()
    _leave(code)


def _leave(code: int) -> NoReturn:
    _LOGS.end()
    # A thread that a driver holds must not hold the exit; and a session that was asked to end has not failed.
    os._exit(STOPPING.code if STOPPING.asked else code)
