"""What a session is asked to do, validated once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from emostream.engines.errors import ConfigError
from emostream.engines.files import is_same_file
from emostream.engines.settings import ENGINE_PRECISIONS, FACE_DETECTORS, PRECISIONS
from emostream.engines.starter import STARTER
from emostream.streamer.address import Address
from emostream.streamer.options import Option
from emostream.streamer.outputs.choose import check_output
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT, check_stream_name

__all__ = ["BROWSER", "PANELS", "Config", "RecognitionConfig", "StreamConfig"]

BROWSER: Final = "browser"
"""As `--camera`, `--mic` or `--input`: that of whoever has the live page open."""

_SOURCES, _RECOGNITION, _RESULTS, _SESSION = PANELS = ("Sources", "Recognition", "Results", "Session")
"""The headings of the help, in its order."""

_ENGINES, _PRECISIONS, _DETECTORS = (
    "|".join(("auto", *names)) for names in (ENGINE_PRECISIONS, PRECISIONS, FACE_DETECTORS)
)

_MAX_AV_OFFSET_MS = 2000.0
_MAX_DURATION_S = 1e8  # three years
_METRICS_EXAMPLE, _WEB_EXAMPLE = "127.0.0.1:9464", "127.0.0.1:8080"


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """What one stream watches and hears.

    Without a camera and a microphone it takes camera 0 and the default microphone, as far as they exist. `input`
    excludes both. A name has 1 to 64 of a-z, 0-9, `_` and `-`. Sources are addresses that may hold passwords, which
    is why `repr` leaves them out.
    """

    name: Annotated[str, Option("Name of the stream in topics.", "NAME", _RESULTS, name="stream")] = "default"
    camera: Annotated[
        str | None,
        Option(
            "Camera by index or path, a video file, a URL, or that of whoever has the --web page open.",
            "0|PATH|URL|browser|none",
            _SOURCES,
            numeric=True,
        ),
    ] = field(default=None, repr=False)
    mic: Annotated[
        str | None,
        Option(
            "Microphone, an audio file, or that of whoever has the --web page open.",
            "default|NAME|INDEX|FILE|browser|none",
            _SOURCES,
            numeric=True,
        ),
    ] = field(default=None, repr=False)
    input: Annotated[
        str | None,
        Option("A recording, network stream or browser with picture and sound.", "FILE|URL|browser", _SOURCES),
    ] = field(default=None, repr=False)
    av_offset_ms: Annotated[float, Option("How much later than the sound the picture comes.", "MS", _SOURCES)] = 0.0

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
class RecognitionConfig:
    """What recognises, and how it runs; a session and the commands for clips share it."""

    bundle: Annotated[
        Path,
        Option(
            "Networks and heads: a bundle's folder or .zip; the starter if not given.",
            "PATH",
            _RECOGNITION,
            show_default=False,
        ),
    ] = STARTER
    engine: Annotated[str, Option("What runs the networks.", "|".join(("auto", *ENGINE_PRECISIONS)), _RECOGNITION)] = (
        "auto"
    )
    precision: Annotated[str, Option("Arithmetic of the networks.", "|".join(("auto", *PRECISIONS)), _RECOGNITION)] = (
        "auto"
    )
    face_detector: Annotated[
        str, Option("What finds the faces.", "|".join(("auto", *FACE_DETECTORS)), _RECOGNITION)
    ] = "auto"
    face_model: Annotated[
        Path | None, Option("Find faces with this YuNet model, or a finder's folder.", "FILE|FOLDER", _RECOGNITION)
    ] = None


@dataclass(frozen=True, kw_only=True)
class Config(RecognitionConfig):
    """A session: the options of the command `emostream`, by the same names.

    Attributes:
        streams: one or more, each with a name of its own.
    """

    streams: tuple[StreamConfig, ...] = (StreamConfig(),)
    fast: Annotated[bool, Option("Play files as quickly as possible.", panel=_SOURCES)] = False
    publish: Annotated[str, Option("ZeroMQ endpoint to bind.", "tcp://...", _RESULTS)] = DEFAULT_ENDPOINT
    replay: Annotated[
        str | None,
        Option(
            "Where subscribers get missed events again; the port 1000 above --publish's if not given.",
            "tcp://...|none",
            _RESULTS,
        ),
    ] = None
    keys: Annotated[
        Path | None, Option("Encrypt, and let in clients of `emostream keys` only.", "FOLDER", _RESULTS)
    ] = None
    insecure: Annotated[bool, Option("Let other machines in where nothing protects.", panel=_RESULTS)] = False
    output: Annotated[
        str | None,
        Option(
            "Also append the events to a file, as JSON Lines, or as Parquet where it ends in .parquet.",
            "FILE|-",
            _RESULTS,
        ),
    ] = None
    record: Annotated[
        Path | None,
        Option("Record the events into a new folder in this one, with what they are.", "FOLDER", _RESULTS),
    ] = None
    record_media: Annotated[bool, Option("Record pictures and sound beside them.", panel=_RESULTS)] = False
    osc: Annotated[str | None, Option("Also send the events as Open Sound Control.", "HOST:PORT", _RESULTS)] = None
    lsl: Annotated[bool, Option("Also show them to Lab Streaming Layer.", panel=_RESULTS)] = False
    view: Annotated[bool, Option("Show scores, levels and rates in the terminal.", panel=_RESULTS)] = False
    web: Annotated[str | None, Option(f"Serve the live page, as on {_WEB_EXAMPLE}.", "ADDRESS:PORT", _RESULTS)] = None
    web_cert: Annotated[Path | None, Option("Certificate of the page, for HTTPS.", "FILE", _RESULTS)] = None
    web_key: Annotated[Path | None, Option("Key of the certificate.", "FILE", _RESULTS)] = None
    metrics: Annotated[
        str | None, Option(f"Serve Prometheus metrics, as on {_METRICS_EXAMPLE}.", "ADDRESS:PORT", _RESULTS)
    ] = None
    duration_s: Annotated[float | None, Option("End after so many seconds.", "S", _SESSION)] = None
    verbose: Annotated[bool, Option("Say more about what happens.", panel=_SESSION, short="-v")] = False
    log_json: Annotated[bool, Option("Log JSON, one object a line.", panel=_SESSION)] = False

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
