"""What a browser sends of its camera and microphone.

Every message is binary, little endian:

    offset  size
    0       1     kind: 0 clock, 1 sound, 2 picture
    4       4     samples a second of sound, else 0
    8       8     when it was captured (a picture), or when the page had all of it (sound); float64, seconds
    16      8     when it was sent; float64, seconds
    24            int16 samples, mono, or a JPEG

Both times are of the page's own monotonic clock (`performance.now()`).
"""

from __future__ import annotations

import json
import math
import struct
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from emostream.streamer.sources.browser import BrowserClient, BrowserSlot, SentPicture, SentSound
from emostream.streamer.web.access import PROTOCOL

__all__ = ["feed"]

_HEADER = struct.Struct("<B3xIdd")
_CLOCK, _SOUND, _PICTURE = range(3)
_RATES = range(8_000, 192_001)
_MOST_SAMPLES = 65_536
_OLDEST_S = 1.0  # of a picture when it is sent
_OCCUPIED, _NONSENSE = 4409, 1007  # private use; invalid data (RFC 6455)


@dataclass(frozen=True)
class _Message:
    kind: int
    rate: int
    t: float
    sent: float
    payload: bytes


async def feed(socket: WebSocket, browser_slot: BrowserSlot) -> None:
    """Take a browser in, until it goes; another one that is in keeps its place."""
    await socket.accept(subprotocol=PROTOCOL)
    client = browser_slot.enter()
    if client is None:
        await _close(socket, _OCCUPIED, "another browser gives its camera and microphone to this stream")
        return
    try:
        await socket.send_text(json.dumps({"type": "welcome"}))
        while (data := await _received(socket)) is not None:
            message = _read(data)
            if message is None:
                await _close(socket, _NONSENSE, "that was no message of the page; load it again")
                return
            _take(message, client)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        browser_slot.leave(client)


async def _received(socket: WebSocket) -> bytes | None:
    """The next message, empty if it is text; None once there are no more."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    return message.get("bytes") or b""


def _read(data: bytes) -> _Message | None:
    """A message; None where it is none."""
    if len(data) < _HEADER.size:
        return None
    kind, rate, t, sent = _HEADER.unpack_from(data)
    message = _Message(kind, rate, t, sent, data[_HEADER.size :])
    if not (math.isfinite(message.t) and math.isfinite(message.sent)):
        return None
    if message.kind == _SOUND:
        whole = message.rate in _RATES and 0 < len(message.payload) <= 2 * _MOST_SAMPLES
        return message if whole and len(message.payload) % 2 == 0 else None
    return message if message.kind in (_CLOCK, _PICTURE) else None


def _captured(message: _Message) -> float:
    """When a picture was captured; some browsers take another clock for that, whose times mean nothing here."""
    return message.t if 0.0 <= message.sent - message.t <= _OLDEST_S else message.sent


def _take(message: _Message, client: BrowserClient) -> None:
    client.note_sent(message.sent)
    if message.kind == _SOUND:
        client.sound.put(SentSound(message.t, message.rate, np.frombuffer(message.payload, "<i2").astype(np.int16)))
    elif message.kind == _PICTURE:
        client.pictures.put(SentPicture(_captured(message), message.payload))


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason)
