"""One viewer of the page: events in order, and of the rest what the line can carry."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from emostream.streamer.web.access import PROTOCOL
from emostream.streamer.web.viewer_hub import ViewerHub

__all__ = ["Viewer"]

_TICK_S = 1.0 / 15.0  # between pictures of one stream
_LEVELS_S = 0.1
_IDLE_S = 1.0
_UNSEEN = 2  # pictures of a stream on the way to a viewer: more would only be late
_WAITING = 2000  # new events for a viewer that takes them too slowly, which is then let go
_SEND_S = 20.0  # for one message to get on its way
_TOO_SLOW = 1013  # try again later (RFC 6455's registry of close codes)


class Viewer:
    """Talks to one page over its WebSocket, in the server's event loop.

    The page says `{"look": true}` while somebody sees it, and `{"shown": NUMBER, "stream": NAME}` of each picture.
    """

    def __init__(self, socket: WebSocket, hub: ViewerHub, about: Mapping[str, Any]) -> None:
        """Serve a WebSocket that asks to be accepted; `about` is what it is told first."""
        self._socket, self._audience, self._about = socket, hub, about
        self._loop = asyncio.get_running_loop()
        self._events: deque[str] = deque()
        self._most = _WAITING
        self._something = asyncio.Event()
        self._looking = False
        self._sent = dict.fromkeys(hub.previews, 0)  # numbers of pictures
        self._on_the_way: dict[str, deque[int]] = {name: deque() for name in hub.previews}

    def offer(self, message: str) -> None:
        """Take an event from another thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._take, message)

    async def run(self) -> None:
        """Serve until the viewer goes, or is too slow."""
        await self._socket.accept(subprotocol=PROTOCOL)
        self._events.extend((json.dumps(self._about), *self._audience.join(self), '{"type": "caught-up"}'))
        self._most += len(self._events)
        hearing = asyncio.create_task(self._hear())
        try:
            await self._speak(hearing)
        except (WebSocketDisconnect, RuntimeError, TimeoutError, asyncio.TimeoutError):
            pass  # it went; where that is known already, sending is a RuntimeError
        finally:
            self._audience.leave(self)
            hearing.cancel()
        if self._socket.client_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close(_TOO_SLOW)

    def _take(self, message: str) -> None:
        self._events.append(message)
        self._something.set()

    async def _speak(self, hearing: asyncio.Task[None]) -> None:
        levels_at = 0.0
        while not hearing.done():
            while self._events:
                if len(self._events) > self._most:
                    return
                await self._send(self._socket.send_text(self._events.popleft()))
            if self._looking:
                if (now := self._loop.time()) >= levels_at:
                    levels_at = now + _LEVELS_S
                    await self._send(self._socket.send_text(self._levels()))
                await self._send_pictures()
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._something.wait(), _TICK_S if self._looking else _IDLE_S)
            self._something.clear()

    async def _send(self, sending: Any) -> None:
        await asyncio.wait_for(sending, _SEND_S)

    async def _send_pictures(self) -> None:
        for name, preview in self._audience.previews.items():
            on_the_way = self._on_the_way[name]
            if len(on_the_way) < _UNSEEN and (picture := preview.picture(self._sent[name])):
                self._sent[name] = picture.number
                on_the_way.append(picture.number)
                await self._send(self._socket.send_bytes(picture.message))

    def _levels(self) -> str:
        previews = self._audience.previews
        streams = {
            name: {"audio_dbfs": preview.loudness, "speech": preview.stream.meters.levels.speech}
            for name, preview in previews.items()
        }
        return json.dumps({"type": "levels", "streams": streams})

    async def _hear(self) -> None:
        """Take what the page says, until it goes; what is none of the two is passed over."""
        with suppress(RuntimeError):
            while (message := await self._socket.receive())["type"] != "websocket.disconnect":
                said = _read(message.get("text") or "")
                if isinstance(looking := said.get("look"), bool):
                    self._look(looking)
                elif isinstance(shown := said.get("shown"), int) and isinstance(name := said.get("stream"), str):
                    on_the_way = self._on_the_way.get(name, deque())
                    while on_the_way and on_the_way[0] <= shown:
                        on_the_way.popleft()
        self._something.set()

    def _look(self, looking: bool) -> None:
        self._looking = looking
        self._audience.look(self, looking)
        for on_the_way in self._on_the_way.values():
            on_the_way.clear()  # of before, which nobody saw
        self._something.set()


def _read(text: str) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        said = json.loads(text)
        if isinstance(said, dict):
            return said
    return {}
