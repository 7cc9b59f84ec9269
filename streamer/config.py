"""What a session is asked to do, validated once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from engines.errors import ConfigError
from engines.starter import STARTER
from streamer.events import DEFAULT_ENDPOINT, check_stream_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Config", "read_config_file"]

_MAX_AV_OFFSET_MS = 2000.0
_MAX_DURATION_S = 1e8  # three years


@dataclass(frozen=True, kw_only=True)
class Config:
    """The options of the command `emostream`.

    Attributes:
        camera: index, device path, file or URL; `none`; or None: camera 0, if there is one.
        mic: `default`, index, part of a name, or file; `none`; or None: the default one, if there is one.
        input: a file or URL with both; excludes the other two.
        bundle: folder or .zip; the starter that ships with emostream if not given.
        engine: `auto`, `openvino`, `onnxruntime` or `tensorrt`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        publish: ZeroMQ endpoint to bind.
        stream: name of the stream in topics.
        output: file for events as JSON Lines; `-` for standard output.
        view: show a live picture in the terminal.
        fast: play recordings as quickly as possible.
        duration_s: end after so many seconds of the stream.
        av_offset_ms: how much later than the voice the camera delivers, in milliseconds.
        face_model: a YuNet model file, instead of Viola-Jones.
    """

    camera: str | None = None
    mic: str | None = None
    input: str | None = None
    bundle: Path = STARTER
    engine: str = "auto"
    precision: str = "auto"
    publish: str = DEFAULT_ENDPOINT
    stream: str = "default"
    output: str | None = None
    view: bool = False
    fast: bool = False
    duration_s: float | None = None
    av_offset_ms: float = 0.0
    face_model: Path | None = None

    def __post_init__(self) -> None:
        check_stream_name(self.stream)
        if self.input is not None and (self.camera is not None or self.mic is not None):
            raise ConfigError("--input brings its own picture and sound; leave out --camera and --mic")
        if self.camera == "none" and self.mic == "none":
            raise ConfigError("--camera none and --mic none leave nothing to watch or to hear; leave out one of them")
        if self.duration_s is not None and not 0 < self.duration_s <= _MAX_DURATION_S:
            raise ConfigError(f"--duration is {self.duration_s}, expected seconds above 0, up to {_MAX_DURATION_S:.0f}")
        if not abs(self.av_offset_ms) <= _MAX_AV_OFFSET_MS:
            raise ConfigError(
                f"--av-offset-ms is {self.av_offset_ms}, expected -{_MAX_AV_OFFSET_MS:.0f} to {_MAX_AV_OFFSET_MS:.0f}"
            )
        if self.view and self.output == "-":
            raise ConfigError("--view and --output - both write to the terminal; leave out one of them")


# The TOML types of the options that are not plain texts.
_KINDS: dict[str, tuple[type, ...]] = {
    "camera": (int, str),
    "mic": (int, str),
    "view": (bool,),
    "fast": (bool,),
    "duration": (int, float),
    "av-offset-ms": (int, float),
}


def read_config_file(path: Path) -> dict[str, Any]:
    """The options in a TOML file, by the names they have on the command line (`av-offset-ms = 40`).

    Raises:
        ConfigError: the file can't be read, is no TOML, or holds an option that does not exist.
    """
    try:
        with path.open("rb") as file:
            options = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"configuration {path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is no TOML: {error}") from None
    known = {field.name.removesuffix("_s").replace("_", "-") for field in fields(Config)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(
            f"configuration {path} holds {', '.join(unknown)}; expected options among {', '.join(sorted(known))}"
        )
    for name, value in options.items():
        expected = _KINDS.get(name, (str,))
        if type(value) not in expected:
            kinds = " or ".join(kind.__name__ for kind in expected)
            raise ConfigError(f"configuration {path}: {name} is {value!r}, expected {kinds}")
    return {
        name.replace("-", "_"): str(value) if name in ("camera", "mic") else value for name, value in options.items()
    }
