"""Who may see the page's data: a browser runs any page's scripts, and these can reach servers on loopback too."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from emostream.engines.files import replacing
from emostream.streamer.address import names_this_machine

__all__ = ["PROTOCOL", "Access", "Guard", "stored_token"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PROTOCOL = "emostream.v1"
"""Name of what the page and the session say to each other, as a WebSocket subprotocol."""

_TOKEN_PREFIX = "token."
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"permissions-policy", b"camera=(self), microphone=(self)"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-cache"),
]

_log = logging.getLogger("emostream")

_TOKEN_BYTES = 24
_TOKEN_FORM = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(frozen=True)
class Access:
    """What a request must bring.

    Attributes:
        token: the secret; data are given to nobody without it.
        scheme: `http` or `https`.
        name: the host name or address that is bound.
    """

    token: str
    scheme: str
    name: str

    def knows_host(self, host: str) -> bool:
        """Whether `Host` names this machine; with TLS, the browser refuses the names of others."""
        return bool(host) if self.scheme == "https" else names_this_machine(host, self.name)

    def knows_origin(self, host: str, origin: str) -> bool:
        """Whether the page that connects is this one."""
        return origin.lower() == f"{self.scheme}://{host}".lower()

    def knows_token(self, subprotocols: list[str]) -> bool:
        """Whether the subprotocols that a WebSocket asks for bring the token.

        The page's own address has it behind `#`, which browsers keep to themselves: no request's address holds it.
        """
        given = [name.removeprefix(_TOKEN_PREFIX) for name in subprotocols if name.startswith(_TOKEN_PREFIX)]
        return any(secrets.compare_digest(each.encode(), self.token.encode()) for each in given)


class Guard:
    """Lets through to an application what brings what it must, and adds the headers that keep the page to itself."""

    def __init__(self, application: Application, access: Access) -> None:
        """Guard an ASGI application."""
        self._application, self._access = application, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI 3)."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        host = _header(scope, b"host")
        if self._access.knows_host(host):
            await self._application(scope, receive, send_guarded)
            return
        said = f"{host!r} is no name of this emostream; take the address that it printed\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(said)).encode())]
        await send_guarded({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, origin = _header(scope, b"host"), _header(scope, b"origin")
        subprotocols = list(scope.get("subprotocols", []))
        known = self._access.knows_host(host) and self._access.knows_origin(host, origin)
        if known and PROTOCOL in subprotocols and self._access.knows_token(subprotocols):
            await self._application(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the handshake's answer is 403


def _header(scope: Scope, wanted: bytes) -> str:
    """A header's value; empty where it is missing, or said twice."""
    values = [value for name, value in scope["headers"] if name == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def stored_token() -> str:
    """The token of this user, made at first use, so that a page finds its way back to an emostream that was restarted.

    It lies in a file that only this user can read; whoever deletes the file gets another token. Where no file can be
    kept, every start has its own.
    """
    path = user_state_path("emostream", appauthor=False) / "web-token"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _read(path) or _make(path)
    except OSError as error:
        _log.info(
            "the page's address changes with each start, since its token can't be kept in %s: %s", path, error.strerror
        )
        return secrets.token_urlsafe(_TOKEN_BYTES)


def _read(path: Path) -> str | None:
    """What the file holds; None where there is none, or others could have read or written it."""
    try:
        with path.open(encoding="ascii") as file:
            shared = os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077
            token = file.read(100).strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return token if _TOKEN_FORM.fullmatch(token) and not shared else None


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with replacing(path) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
    return token
