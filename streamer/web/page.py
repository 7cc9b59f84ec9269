"""The live page's server, in a thread of its own beside the session."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn

import uvicorn
from typing_extensions import Self

from emostream.engines.bundle import Manifest
from emostream.engines.errors import ConfigError
from emostream.engines.frontend.grid import SHIFT_SECONDS
from emostream.streamer.address import Address, is_loopback
from emostream.streamer.colours import colours_of
from emostream.streamer.logs import AS_IT_IS
from emostream.streamer.pipeline.stream import Stream
from emostream.streamer.protocol.events import Event
from emostream.streamer.threads import yield_to_others
from emostream.streamer.web.access import Access, stored_token
from emostream.streamer.web.app import PATIENCE_S, Connection, application
from emostream.streamer.web.stream_preview import StreamPreview
from emostream.streamer.web.viewer_hub import ViewerHub

__all__ = ["Certificate", "Kept", "LivePage"]

Kept = Literal["nothing", "results", "media"]

_log = logging.getLogger("emostream")

_MOST_BYTES = 4_000_000  # of a message from a browser: a picture
_STOP_S = 0.5
_PING_S = 8.0  # a browser that has vanished is let go within twice as long
_TROUBLE_EVERY_S = 60.0  # out of file descriptors, there would be thousands a second
_BACKLOG = 64


@dataclass(frozen=True)
class Certificate:
    """What the page's server proves itself with: PEM files of a certificate and of its key."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """See that they can be used.

        Raises:
            ConfigError: one can't be read, is encrypted, or the two don't belong together.
        """

        def refuse() -> NoReturn:
            raise ConfigError(f"--web-key {self.key} is encrypted; give a key without a passphrase")

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, refuse)
        except ssl.SSLError as error:
            raise ConfigError(
                f"--web-cert {self.certificate} and --web-key {self.key} are no certificate and its key, both as PEM: "
                f"{error.reason or error}"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"--web-cert {self.certificate} or --web-key {self.key} can't be read: {error.strerror}"
            ) from None


class LivePage:
    """Serves the page between `with` and its end; the constructor opens nothing.

    Attributes:
        url: of the page, with the port that was bound and the token.
    """

    def __init__(
        self,
        address: Address,
        certificate: Certificate | None,
        streams: Sequence[Stream],
        manifest: Manifest,
        kept: Kept,
    ) -> None:
        """Show these streams, which have not begun.

        Args:
            address: to bind.
            certificate: for HTTPS; without one, HTTP.
            streams: of the session.
            manifest: of the bundle that recognises.
            kept: what of the session is stored, which whoever is seen has to be told.

        Raises:
            ConfigError: the certificate can't be used.
        """
        if certificate is not None:
            certificate.check()
        self._address, self._certificate = address, certificate
        self._audience = ViewerHub({stream.name: StreamPreview(stream) for stream in streams})
        self._doorways = {stream.name: stream.browser_slot for stream in streams if stream.from_browser}
        self._next_trouble = 0.0
        self._about = {"type": "hello", "version": version("emostream")} | _about(streams, manifest, kept)
        self.url = ""

    def __enter__(self) -> Self:
        token, scheme = stored_token(), "http" if self._certificate is None else "https"
        host = self._address.host
        bound = self._address.bind("the page", "web", _listening)
        access = Access(token, scheme, host)
        app = application(self._audience, self._doorways, self._about, access)
        self._server = uvicorn.Server(self._configuration(app))
        self._thread = threading.Thread(target=self._serve, args=(bound,), name="web", daemon=True)
        self._thread.start()
        name = host if is_loopback(host) else _reachable(host)
        self.url = f"{scheme}://{f'[{name}]' if ':' in name else name}:{bound.getsockname()[1]}/#{token}"
        _log.info("live page on %s", self.url, extra=AS_IT_IS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_STOP_S)

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        self._audience.on_event(event)

    def _configuration(self, app: Any) -> uvicorn.Config:
        certificate = self._certificate
        return uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            log_level="error",  # what clients do wrong is theirs
            access_log=False,
            server_header=False,
            lifespan="off",
            ws_max_size=_MOST_BYTES,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            ws_per_message_deflate=False,  # nearly all that is sent is JPEG
            timeout_graceful_shutdown=1,
            ssl_certfile=None if certificate is None else str(certificate.certificate),
            ssl_keyfile=None if certificate is None else str(certificate.key),
        )

    def _serve(self, bound: socket.socket) -> None:
        yield_to_others()
        asyncio.run(self._main(bound))

    async def _main(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_trouble)
        if self._certificate is not None:  # uvicorn leaves it at a minute
            patient = partial(loop.create_server, ssl_handshake_timeout=PATIENCE_S)
            loop.create_server = patient  # type: ignore[method-assign]
        await self._server.serve(sockets=[bound])

    def _note_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say what went wrong with a connection, now and then."""
        if loop.time() >= self._next_trouble:
            self._next_trouble = loop.time() + _TROUBLE_EVERY_S
            _log.warning("the page's server: %s (%s)", context["message"], context.get("exception"))


def _listening(family: int, where: Any) -> socket.socket:
    with ExitStack() as unless_bound:
        bound = unless_bound.enter_context(socket.socket(family, socket.SOCK_STREAM))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.listen(_BACKLOG)
        unless_bound.pop_all()
    return bound


def _about(streams: Sequence[Stream], manifest: Manifest, kept: Kept) -> dict[str, Any]:
    """What a viewer has to know before anything else."""
    return {
        "labels": list(manifest.labels),
        "colours": [[colour.on_light, colour.on_dark] for colour in colours_of(manifest.labels)],
        "bundle": {"name": manifest.name, "preset": manifest.preset, "trained": manifest.trained},
        "kept": kept,
        "shift_s": SHIFT_SECONDS,
        "streams": [{"name": stream.name, "browser": stream.from_browser} for stream in streams],
    }


def _reachable(host: str) -> str:
    """A name for others: of a wildcard, this machine's."""
    return socket.gethostname() if host in ("0.0.0.0", "::") else host
