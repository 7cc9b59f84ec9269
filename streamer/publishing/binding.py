"""Binding a socket to an endpoint that the user chose."""

from __future__ import annotations

import errno
from typing import Literal

import zmq

from emostream.engines.errors import ConfigError, PublishError
from emostream.streamer.address import is_loopback
from emostream.streamer.protocol.events import port_in_range

__all__ = ["bind", "check_reach"]

_MOST_BYTES = 65_536  # of a request's or a subscription's frame; a larger one ends the client's connection
_NO_ENDPOINT = {errno.EINVAL, zmq.EPROTONOSUPPORT}
_TRANSPORTS = ("tcp://", "ipc://", "inproc://")


def check_reach(endpoint: str, option: Literal["publish", "replay"]) -> None:
    """Refuse an endpoint that other machines can reach, for whoever has no keys.

    Raises:
        ConfigError: it is not on the loopback interface, and not of this machine alone as `ipc://` is.
    """
    address, colon, _ = endpoint.removeprefix("tcp://").rpartition(":")
    # What is no endpoint at all is refused when it is bound.
    if endpoint.startswith("tcp://") and colon and not is_loopback(address.strip("[]")):
        raise ConfigError(
            f"--{option} {endpoint} lets other machines listen, unencrypted; give --keys FOLDER, which "
            "`emostream keys FOLDER` makes, or say --insecure"
        )


def bind(socket: zmq.Socket[bytes], endpoint: str, option: Literal["publish", "replay"]) -> str:
    """Bind a socket, and give the endpoint with the port that was really bound.

    Args:
        socket: not bound yet.
        endpoint: as in `tcp://127.0.0.1:5557`; port 0 or `*` takes a free one.
        option: of the command line, which chose the endpoint.

    Raises:
        ConfigError: it is no endpoint.
        PublishError: it can't be bound.
    """
    what = f"can't {option} on {endpoint}"
    if not port_in_range(endpoint):
        raise ConfigError(f"{what}: a port is at most 65535; choose one with --{option}")
    socket.maxmsgsize = _MOST_BYTES
    socket.ipv6 = "[" in endpoint
    try:
        if not endpoint.startswith(_TRANSPORTS):
            raise zmq.ZMQError(zmq.EPROTONOSUPPORT)
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        kind = ConfigError if error.errno in _NO_ENDPOINT else PublishError
        raise kind(f"{what}: {_remedy(error, option)}") from error
    return socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _remedy(error: zmq.ZMQError, option: str) -> str:
    if error.errno == zmq.EADDRINUSE:
        return f"the address is already in use; another emostream may run; choose another with --{option}"
    if error.errno == errno.EACCES:
        return f"permission denied; choose a port from 1024 on, or a path that you may write to, with --{option}"
    if error.errno in {zmq.EADDRNOTAVAIL, errno.ENODEV}:
        return f"this machine has no such address; choose tcp://127.0.0.1:PORT, or tcp://*:PORT, with --{option}"
    if error.errno in _NO_ENDPOINT:
        return f"expected tcp://ADDRESS:PORT, as in tcp://127.0.0.1:5557; choose another with --{option}"
    return f"{error.strerror}; choose another with --{option}"
