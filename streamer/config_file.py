"""The configuration file: the options of the command, and streams by name, as TOML.

publish = "tcp://127.0.0.1:5557"

[streams.desk]
camera = 0
mic = "default"

[streams.door]
input = "rtsp://door.local/stream"
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from emostream.engines.errors import ConfigError
from emostream.engines.redaction import one_line, without_secrets
from emostream.streamer.config import Config, StreamConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["STREAM_OPTIONS", "ConfigFile", "read_config_file"]

STREAM_OPTIONS = tuple(field.name.replace("_", "-") for field in fields(StreamConfig) if field.name != "name")
"""What a stream's table may hold, by the names of the command line."""

_SESSION_OPTIONS = (
    *(field.name.removesuffix("_s").replace("_", "-") for field in fields(Config) if field.name != "streams"),
    "verbose",
)

_MOST_BYTES = 1_000_000

# The TOML types of the options that are not plain texts.
_KINDS: dict[str, tuple[type, ...]] = {
    "camera": (int, str),
    "mic": (int, str),
    "record-media": (bool,),
    "lsl": (bool,),
    "view": (bool,),
    "fast": (bool,),
    "insecure": (bool,),
    "log-json": (bool,),
    "verbose": (bool,),
    "duration": (int, float),
    "av-offset-ms": (int, float),
}


@dataclass(frozen=True)
class ConfigFile:
    """What a configuration file says.

    Attributes:
        options: by the names they have on the command line (`av-offset-ms = 40`).
        streams: those of its `[streams.NAME]` tables.
    """

    options: dict[str, Any]
    streams: tuple[StreamConfig, ...]


def read_config_file(path: Path) -> ConfigFile:
    """Read a configuration.

    Raises:
        ConfigError: the file can't be read, is no TOML, or holds an option that does not exist or is wrong.
    """
    try:
        return _read(path)
    except ConfigError as error:
        raise ConfigError(without_secrets(str(error))) from None


def _read(path: Path) -> ConfigFile:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ConfigError(f"configuration {path} is larger than {_MOST_BYTES} bytes; expected options and tables")
        options = tomllib.loads(text.decode())
    except OSError as error:
        raise ConfigError(f"configuration {path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is no TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"configuration {path} nests its values too deeply; expected options and tables") from None
    tables = options.pop("streams", {})
    _check(f"configuration {path}", options, (*_SESSION_OPTIONS, "stream", *STREAM_OPTIONS))
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"configuration {path}: streams is {tables!r}, expected tables such as [streams.desk]")
    alone = [name for name in ("stream", *STREAM_OPTIONS) if name in options]
    if tables and alone:
        raise ConfigError(
            f"configuration {path} holds {', '.join(alone)} beside its streams; "
            f"move it into the table of a stream, such as [streams.{next(iter(tables))}]"
        )
    return ConfigFile(options, tuple(_stream(path, name, table) for name, table in tables.items()))


def _stream(path: Path, name: str, table: dict[str, Any]) -> StreamConfig:
    where = f"configuration {path}, stream {name or repr(name)}"
    _check(where, table, STREAM_OPTIONS)
    values = {option.replace("-", "_"): value for option, value in table.items()}
    for device in ("camera", "mic"):
        if device in values:
            values[device] = str(values[device])
    try:
        return StreamConfig(name=name, **values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check(where: str, options: dict[str, Any], known: Collection[str]) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"{where} holds {', '.join(unknown)}; expected options among {', '.join(sorted(known))}")
    for name, value in options.items():
        expected = _KINDS.get(name, (str,))
        if type(value) not in expected:
            kinds = " or ".join(kind.__name__ for kind in expected)
            raise ConfigError(f"{where}: {name} is {value!r}, expected {kinds}")
        if value == "" or (isinstance(value, str) and value != one_line(value)):
            raise ConfigError(
                f"{where}: {name} is {value!r}, expected a text, neither empty nor with control characters"
            )
