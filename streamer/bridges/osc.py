"""Open Sound Control over UDP, for TouchDesigner, Max, and game engines."""

from __future__ import annotations

import logging
import socket
from types import TracebackType

from typing_extensions import Self

from emostream.engines.errors import ConfigError
from emostream.streamer.protocol.events import EmotionEvent, Event, ResultEvent, UtteranceEvent

__all__ = ["OscBridge"]

_log = logging.getLogger("emostream")


class OscBridge:
    """Sends each event as a bundle of messages, whose addresses begin with `/emostream/STREAM`.

    Of each segment: `/label` (text, empty without face and voice), `/score` of it, `/scores/LABEL` of each, 0 to 1,
    `/face` (x, y, width, height as shares of the picture; only with a face), `/speaking` (1 in an utterance, else 0),
    `/latency` in milliseconds. Of each utterance's end: `/utterance` with its label and score.

    UDP tells nobody what is lost on the way, nor whether anybody listens.
    """

    def __init__(self, target: str) -> None:
        """Send to `HOST:PORT`.

        Raises:
            ConfigError: it is no such thing, or pythonosc is not installed.
        """
        host, colon, port = target.rpartition(":")
        if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
            raise ConfigError(f"--osc is {target}, expected HOST:PORT, as in 127.0.0.1:7000")
        try:
            import pythonosc.osc_bundle_builder  # noqa: F401
        except ImportError:
            raise ConfigError('--osc needs python-osc; `pip install "emostream[lab]"` brings it') from None
        self._target, self._host, self._port = target, host.strip("[]"), int(port)
        self._failed = False

    def __enter__(self) -> Self:
        """Find the host.

        Raises:
            ConfigError: there is no such host.
        """
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise ConfigError(f"--osc {self._target}: there is no such host: {error.strerror}") from None
        self._address: tuple[str | int | bytes, ...] = found[0][4]
        self._socket = socket.socket(found[0][0], socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def on_event(self, event: Event) -> None:
        """Send an event that was just published; a failure is said once and does not raise."""
        if isinstance(event, EmotionEvent):
            messages = _of_segment(event)
        elif isinstance(event, UtteranceEvent):
            messages = {"utterance": [event.label or "", _score(event)]}
        else:
            return
        try:
            self._socket.sendto(_packed(event.stream, messages), self._address)
        except OSError as error:
            _log.log(
                logging.DEBUG if self._failed else logging.WARNING, "can't send to --osc %s: %s", self._target, error
            )
            self._failed = True


def _of_segment(event: EmotionEvent) -> dict[str, list[str | float | int]]:
    messages: dict[str, list[str | float | int]] = {
        "label": [event.label or ""],
        "score": [_score(event)],
        "speaking": [int(event.utterance is not None)],
    }
    messages |= {f"scores/{label}": [score] for label, score in (event.scores or {}).items()}
    if event.face is not None and event.frame_size is not None:
        messages["face"] = [place / event.frame_size[axis % 2] for axis, place in enumerate(event.face)]
    if event.latency_ms is not None:
        messages["latency"] = [event.latency_ms]
    return messages


def _score(event: ResultEvent) -> float:
    return 0.0 if event.label is None or event.scores is None else event.scores[event.label]


def _packed(stream: str, messages: dict[str, list[str | float | int]]) -> bytes:
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    bundle = OscBundleBuilder(IMMEDIATELY)
    for name, values in messages.items():
        message = OscMessageBuilder(f"/emostream/{stream}/{name}")
        for value in values:
            message.add_arg(value)
        bundle.add_content(message.build())
    packed: bytes = bundle.build().dgram
    return packed
