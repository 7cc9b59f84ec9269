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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emostream.engines.errors import ConfigError
from emostream.engines.redaction import one_line, without_secrets
from emostream.streamer.config import Config, StreamConfig
from emostream.streamer.options import Setting, from_settings, settings_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ConfigFile", "read_config_file"]

_OF_STREAM = {each.name: each for each in settings_of(StreamConfig)}
_OF_TABLE = {name: each for name, each in _OF_STREAM.items() if each.field != "name"}  # which its table has already
_OF_SESSION = {each.name: each for each in settings_of(Config)}

_MOST_BYTES = 1_000_000


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
    _check(f"configuration {path}", options, _OF_SESSION | _OF_STREAM)
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"configuration {path}: streams is {tables!r}, expected tables such as [streams.desk]")
    alone = [name for name in _OF_STREAM if name in options]
    if tables and alone:
        raise ConfigError(
            f"configuration {path} holds {', '.join(alone)} beside its streams; "
            f"move it into the table of a stream, such as [streams.{next(iter(tables))}]"
        )
    return ConfigFile(options, tuple(_stream(path, name, table) for name, table in tables.items()))


def _stream(path: Path, name: str, table: dict[str, Any]) -> StreamConfig:
    where = f"configuration {path}, stream {name or repr(name)}"
    _check(where, table, _OF_TABLE)
    values = {
        _OF_TABLE[option].parameter: str(value) if _OF_TABLE[option].option.numeric else value
        for option, value in table.items()
    }
    try:
        return from_settings(StreamConfig, values, name=name)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check(where: str, options: dict[str, Any], known: Mapping[str, Setting]) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"{where} holds {', '.join(unknown)}; expected options among {', '.join(sorted(known))}")
    for name, value in options.items():
        expected = known[name].toml_types
        if type(value) not in expected:
            kinds = " or ".join(kind.__name__ for kind in expected)
            raise ConfigError(f"{where}: {name} is {value!r}, expected {kinds}")
        if value == "" or (isinstance(value, str) and value != one_line(value)):
            raise ConfigError(
                f"{where}: {name} is {value!r}, expected a text, neither empty nor with control characters"
            )
