"""A connection to the page's server: one of a bounded number, and not for those who ask for nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["PATIENCE_S", "Connection"]

_MOST = 256  # each is an open file, of which the sources need some too
PATIENCE_S = 5.0  # for the whole head of the first request, and before it for TLS


class Connection(H11Protocol):
    """HTTP/1.1 until it becomes a WebSocket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > _MOST:
            transport.abort()
        else:
            self.loop.call_later(PATIENCE_S, self._let_go)

    def _let_go(self) -> None:
        """End a connection that has asked for nothing; one that has become a WebSocket is no longer counted here."""
        request: object = self.cycle  # declared as one, but None before the first
        if self in self.connections and request is None:
            self.transport.close()
