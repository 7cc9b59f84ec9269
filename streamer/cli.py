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
from emostream.streamer.commands import annotate as annotate_command
from emostream.streamer.commands import devices as devices_command
from emostream.streamer.commands import engines as engines_command
from emostream.streamer.commands import health as health_command
from emostream.streamer.commands import keys as keys_command
from emostream.streamer.commands import listen as listen_command
from emostream.streamer.commands import models as models_command
from emostream.streamer.commands import review as review_command
from emostream.streamer.commands.options import with_settings
from emostream.streamer.config import PANELS, Config, StreamConfig
from emostream.streamer.config_file import read_config_file
from emostream.streamer.logs import Logs
from emostream.streamer.options import from_settings, settings_of
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
app.add_typer(models_command.app, name="models")
app.command()(devices_command.devices)
app.command()(listen_command.listen)
app.command()(health_command.health)
app.command()(keys_command.keys)
app.command()(annotate_command.annotate)
app.command()(review_command.review)


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None:
        given = read_config_file(path)
        context.default_map = {name.replace("-", "_"): value for name, value in given.options.items()}
        context.obj = given.streams
        if given.options.get("log-json"):
            _LOGS.become_json()
    return path


def _streams_of_file(context: typer.Context, path: Path | None) -> tuple[StreamConfig, ...]:
    """The streams that the configuration file names; then the command line may not name another one."""
    streams: tuple[StreamConfig, ...] = context.obj or ()
    said = [each.name for each in settings_of(StreamConfig) if _said(context, each.parameter)]
    if streams and said:
        raise ConfigError(f"--{said[0]} is of one stream, but {path} names its own; leave it out, or set it there")
    return streams


def _said(context: typer.Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emostream {version('emostream')}")
        raise typer.Exit


@app.callback()
@with_settings(StreamConfig, Config, panels=PANELS)
def _emostream(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read options from a TOML file; the command line wins.",
            callback=_load_config,
            is_eager=True,
            rich_help_panel=PANELS[-1],
        ),
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
    **values: Any,
) -> None:
    if values["verbose"]:
        _LOGS.be_verbose()
    STOPPING.begin(context.invoked_subcommand)
    if context.invoked_subcommand is not None:
        return
    from emostream.streamer.run import run_session

    streams = _streams_of_file(context, config) or (from_settings(StreamConfig, values),)
    run_session(from_settings(Config, values, streams=streams))


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
