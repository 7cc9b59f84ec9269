"""What a session is asked to do, validated once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from emostream.engines.errors import ConfigError
from emostream.engines.files import is_same_file
from emostream.engines.starter import STARTER
from emostream.streamer.address import Address
from emostream.streamer.outputs.choose import check_output
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT, check_stream_name

__all__ = ["BROWSER", "Config", "StreamConfig"]

BROWSER: Final = "browser"
"""As `--camera`, `--mic` or `--input`: that of whoever has the live page open."""

_MAX_AV_OFFSET_MS = 2000.0
_MAX_DURATION_S = 1e8  # three years
_METRICS_EXAMPLE, _WEB_EXAMPLE = "127.0.0.1:9464", "127.0.0.1:8080"


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """What one stream watches and hears.

    Attributes:
        name: in topics, 1 to 64 of a-z, 0-9, `_` and `-`.
        camera: index, device path, file or URL; `browser`; `none`; or None: camera 0, if there is one.
        mic: `default`, index, part of a name, or file; `browser`; `none`; or None: the default one, if there is one.
        input: a file or URL with both, or `browser`; excludes the other two.
        av_offset_ms: how much later than the voice the camera delivers, in milliseconds.
    """

    name: str = "default"
    # Addresses, which may hold passwords.
    camera: str | None = field(default=None, repr=False)
    mic: str | None = field(default=None, repr=False)
    input: str | None = field(default=None, repr=False)
    av_offset_ms: float = 0.0

    def __post_init__(self) -> None:
        check_stream_name(self.name)
        if self.input is not None and (self.camera is not None or self.mic is not None):
            raise ConfigError("--input brings its own picture and sound; leave out --camera and --mic")
        if self.camera == "none" and self.mic == "none":
            raise ConfigError("--camera none and --mic none leave nothing to watch or to hear; leave out one of them")
        if self.camera is not None and re.fullmatch(r"-[0-9]+", self.camera):
            raise ConfigError(f"--camera is {self.camera}, expected 0 or more; `emostream devices` lists cameras")
        if not abs(self.av_offset_ms) <= _MAX_AV_OFFSET_MS:
            raise ConfigError(
                f"--av-offset-ms is {self.av_offset_ms}, expected -{_MAX_AV_OFFSET_MS:.0f} to {_MAX_AV_OFFSET_MS:.0f}"
            )

    @property
    def wanted(self) -> tuple[Literal["audio", "video"], ...]:
        """What it is to watch and to hear, as far as the options tell."""
        return tuple(modality for modality, source in self._given.items() if source != "none")

    @property
    def from_browser(self) -> tuple[Literal["audio", "video"], ...]:
        """What whoever has the live page open gives."""
        return tuple(modality for modality, source in self._given.items() if BROWSER in (source, self.input))

    @property
    def _given(self) -> dict[Literal["audio", "video"], str | None]:
        """By modality, unless `input` gives both."""
        return {"audio": self.mic, "video": self.camera}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The options of the command `emostream`.

    Attributes:
        streams: one or more, each with a name of its own.
        bundle: folder or .zip; the starter that ships with emostream if not given.
        engine: `auto`, `openvino`, `onnxruntime` or `tensorrt`.
        precision: `auto`, `fp32`, `bf16`, `fp16` or `int8`.
        publish: ZeroMQ endpoint to bind.
        replay: ZeroMQ endpoint to bind for giving events again; `none`; or None: the one that belongs to `publish`.
        keys: folder of `emostream keys`; only clients that it lists are let in.
        output: file for events as JSON Lines, or Parquet files where it ends in `.parquet`; `-` for standard output.
        record: folder in which a new one gets the events of this session, and says what they are.
        record_media: record pictures and sound beside them.
        osc: `HOST:PORT` to which events are sent as Open Sound Control; none if not given.
        lsl: show scores and labels as streams of Lab Streaming Layer.
        view: show scores, levels and rates in the terminal.
        fast: play recordings as quickly as possible.
        duration_s: end after so many seconds of each stream.
        face_model: a YuNet model file, instead of Viola-Jones.
        metrics: `ADDRESS:PORT` that serves Prometheus metrics over HTTP; none if not given.
        insecure: let others than this machine reach what has no protection of its own.
        log_json: log JSON, one object a line.
        web: `ADDRESS:PORT` that serves the live page; none if not given.
        web_cert: PEM file of the page's certificate, for HTTPS.
        web_key: PEM file of its key.
    """

    streams: tuple[StreamConfig, ...] = (StreamConfig(),)
    bundle: Path = STARTER
    engine: str = "auto"
    precision: str = "auto"
    publish: str = DEFAULT_ENDPOINT
    replay: str | None = None
    keys: Path | None = None
    output: str | None = None
    record: Path | None = None
    record_media: bool = False
    osc: str | None = None
    lsl: bool = False
    view: bool = False
    fast: bool = False
    duration_s: float | None = None
    face_model: Path | None = None
    metrics: str | None = None
    insecure: bool = False
    log_json: bool = False
    web: str | None = None
    web_cert: Path | None = None
    web_key: Path | None = None

    def __post_init__(self) -> None:
        if self.duration_s is not None and not 0 < self.duration_s <= _MAX_DURATION_S:
            raise ConfigError(f"--duration is {self.duration_s}, expected seconds above 0, up to {_MAX_DURATION_S:.0f}")
        if self.fast and (live := [stream.name for stream in self.streams if stream.from_browser]):
            raise ConfigError(f"--fast plays files as quickly as possible, but stream {live[0]} is a browser's")
        if self.view and self.output == "-":
            raise ConfigError("--view and --output - both write to the terminal; leave out one of them")
        if self.record_media and self.record is None:
            raise ConfigError("--record-media keeps pictures and sound beside the events; name a folder with --record")
        if self.output is not None:
            check_output(self.output)
            for source in (source for each in self.streams for source in (each.input, each.camera, each.mic)):
                if source is not None and is_same_file(Path(self.output), Path(source.removeprefix("file:"))):
                    raise ConfigError(f"--output {self.output} is what is played; expected a file for the events")
        metrics, page = self.metrics_address, self.web_address
        if metrics is not None and not (self.insecure or metrics.is_loopback):
            raise ConfigError(
                f"--metrics is {self.metrics}, where other machines can read without being asked who they are; take "
                "127.0.0.1:PORT, or say --insecure"
            )
        if page is None:
            self._check_absent_page()
        elif self.web_cert is None and not page.is_loopback:
            raise ConfigError(
                f"--web is {self.web}, where pictures and sound would cross the network unencrypted; take "
                "127.0.0.1:PORT, or give --web-cert and --web-key"
            )
        if (self.web_cert is None) != (self.web_key is None):
            raise ConfigError("--web-cert and --web-key go together: a certificate and its key, both as PEM")

    @property
    def metrics_address(self) -> Address | None:
        """What `metrics` says.

        Raises:
            ConfigError: it is no address.
        """
        return None if self.metrics is None else Address.parse("metrics", self.metrics, _METRICS_EXAMPLE)

    @property
    def web_address(self) -> Address | None:
        """What `web` says.

        Raises:
            ConfigError: it is no address.
        """
        return None if self.web is None else Address.parse("web", self.web, _WEB_EXAMPLE)

    def _check_absent_page(self) -> None:
        if self.web_cert is not None or self.web_key is not None:
            raise ConfigError(f"--web-cert and --web-key are for the live page; say --web {_WEB_EXAMPLE} too")
        if taking := [stream.name for stream in self.streams if stream.from_browser]:
            raise ConfigError(
                f"stream {taking[0]} takes its camera or microphone from a browser; say --web {_WEB_EXAMPLE} too"
            )
