"""The routes of the live page: its files, what its viewers are told, and what a browser gives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol

from emostream.streamer.sources.browser import BrowserSlot
from emostream.streamer.web.access import PROTOCOL, Access, Application, Guard
from emostream.streamer.web.feeding import feed
from emostream.streamer.web.viewer import Viewer
from emostream.streamer.web.viewer_hub import ViewerHub

__all__ = ["PATIENCE_S", "Connection", "application"]

_MOST_CONNECTIONS = 256  # each is an open file, of which the sources need some too
PATIENCE_S = 5.0  # for the whole head of the first request, and before it for TLS

_FILES = Path(__file__).parent / "static"
_MOST_VIEWERS = 32
_FULL = 4503  # private use


class Connection(H11Protocol):
    """HTTP/1.1 until it becomes a WebSocket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(PATIENCE_S, self._let_go)

    def _let_go(self) -> None:
        """End a connection that has asked for nothing; one that has become a WebSocket is no longer counted here."""
        request: object = self.cycle  # declared as one, but None before the first
        if self in self.connections and request is None:
            self.transport.close()


def application(
    hub: ViewerHub, browser_slots: Mapping[str, BrowserSlot], about: Mapping[str, Any], access: Access
) -> Application:
    """The page as an ASGI application.

    Args:
        hub: that viewers join.
        browser_slots: of the streams that take a browser's camera or microphone, by their names.
        about: what every viewer is told first.
        access: what each request must bring.
    """

    async def live(socket: WebSocket) -> None:
        if len(hub) >= _MOST_VIEWERS:
            await socket.accept(subprotocol=PROTOCOL)
            await socket.close(_FULL, f"{_MOST_VIEWERS} others look already")
            return
        await Viewer(socket, hub, about).run()

    async def give(socket: WebSocket) -> None:
        browser_slot = browser_slots.get(socket.path_params["stream"])
        if browser_slot is None:
            await socket.close()
            return
        await feed(socket, browser_slot)

    routes = [
        WebSocketRoute("/live", live),
        WebSocketRoute("/feed/{stream}", give),
        Mount("/", StaticFiles(directory=_FILES, html=True)),
    ]
    return Guard(Starlette(routes=routes), access)
