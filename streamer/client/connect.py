"""Connecting a socket to an endpoint that the user chose.

It loads pyzmq and the standard library only.
"""

from __future__ import annotations

import zmq

from emostream.engines.errors import ConfigError
from emostream.streamer.protocol.events import port_in_range
from emostream.streamer.protocol.keys import ClientKeys

__all__ = ["connect"]

_RECONNECT_MS = 100


def connect(
    socket: zmq.Socket[bytes], endpoint: str, keys: ClientKeys | None, what: str, example: str = ""
) -> zmq.Socket[bytes]:
    """Connect a socket that is just made, and give it back; it is closed where that fails.

    Args:
        socket: with the options of its kind set.
        endpoint: the server may start later.
        keys: encrypt with them.
        what: can't be done where this fails, with {} for the endpoint.
        example: of an endpoint.

    Raises:
        ConfigError: the endpoint is not valid.
    """
    try:
        socket.linger = 0
        socket.reconnect_ivl = _RECONNECT_MS
        socket.ipv6 = "[" in endpoint
        if keys is not None:
            keys.protect(socket)
        if not port_in_range(endpoint):
            raise ConfigError(f"{what.format(endpoint)}: a port is at most 65535")
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close()
        raise ConfigError(
            f"{what.format(repr(endpoint))}: {error.strerror}; expected tcp://ADDRESS:PORT{example}"
        ) from error
    except BaseException:
        socket.close()
        raise
    return socket


def silence(what: str, endpoint: str, stream: str | None, seconds: float, keys: object) -> str:
    """What to say where nothing comes.

    Args:
        what: does not come.
        endpoint: from which it was to come.
        stream: of which; None for all.
        seconds: for which it was waited for.
        keys: with which the client proves who it is, if any.
    """
    of, named = (f" of stream {stream}", " with a stream of that name") if stream else ("", "")
    allowed = ", and does it allow this key" if keys else ""
    return f"{what}{of} from {endpoint} for {seconds:g} s: is emostream running there{named}{allowed}?"
