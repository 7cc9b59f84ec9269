"""Cuts off clients that send more than subscriptions and requests take, or take all descriptors of the process.

ZeroMQ bounds each frame, and how many messages wait, but neither a message whose frames never end nor how much one
client subscribes to: both would grow in this process. How much a connection has brought is known to Linux alone, since
4.1; elsewhere, and on `ipc://`, nothing is counted. The thread "guard" sleeps until something comes.
"""

from __future__ import annotations

import logging
import os
import platform
import select
import socket
import stat
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from streamer.threads import OwnedThread

__all__ = ["ConnectionGuard"]

_log = logging.getLogger("emostream")

_PER_SECOND = 256  # bytes beyond the allowance, for heartbeats and a request now and then
_PAUSE_S = 0.005  # after which what came is looked at
_SOON_S, _SOON_LOOKS = 0.02, 5  # for ZeroMQ accepts a connection a little after it came
_SELDOM_S = 1.0
_RESET = struct.pack("ii", 1, 0)  # nothing is waited for, and the client notices at once
_RECEIVED = struct.Struct("128xQ")  # tcpi_bytes_received, of <linux/tcp.h>


@dataclass
class _Watched:
    """A connection, or a socket that listens for them, to which nothing is ever sent.

    Attributes:
        inode: tells it from a later one with the same descriptor.
        endpoint: whose it is.
        received: bytes, until `at`.
        used: bytes of its allowance.
        at: of `time.monotonic()`.
    """

    inode: int
    endpoint: str
    received: int = 0
    used: float = 0.0
    at: float = 0.0


class ConnectionGuard:
    """Watches the connections to endpoints of this process."""

    def __init__(self, allowances: Mapping[str, int]) -> None:
        """Set up a guard; it opens nothing before `start`.

        Args:
            allowances: by endpoint as it was bound, such as `tcp://127.0.0.1:5557`, how many bytes one connection may
                send at once.
        """
        self._allowances = allowances
        self._ports = {int(each.rpartition(":")[2]): each for each in allowances if each.startswith("tcp://")}
        self._watched: dict[int, _Watched] = {}
        self._most = 0
        self._said: set[str] = set()
        self._pipe: tuple[int, int] | None = None
        self._thread = OwnedThread("guard", self._run, self._fail)

    def start(self) -> None:
        """Start the thread, where connections can be counted."""
        if self._ports and platform.system() == "Linux":
            from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit  # not there on Windows

            descriptors = getrlimit(RLIMIT_NOFILE)[0]
            self._most = sys.maxsize if descriptors == RLIM_INFINITY else descriptors // 2
            self._pipe = os.pipe()
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread."""
        if self._pipe is not None:
            os.close(self._pipe[1])
            self._thread.join(timeout_s)

    def _run(self) -> None:
        assert self._pipe is not None, "start comes first"
        ended = self._pipe[0]
        try:
            with select.epoll() as polled:
                polled.register(ended, select.EPOLLIN)
                looks = 0
                while True:
                    ready = {descriptor for descriptor, _ in polled.poll(_SOON_S if looks < _SOON_LOOKS else _SELDOM_S)}
                    if ended in ready:
                        return
                    if ready:
                        looks = 0
                        time.sleep(_PAUSE_S)
                    looks += 1
                    self._look(polled)
                    for descriptor in ready:
                        self._count(descriptor)
        finally:
            os.close(ended)

    def _look(self, polled: select.epoll) -> None:
        """Watch sockets that are new, and forget those that are closed."""
        before, self._watched = self._watched, {}
        room = self._most - len(before)
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            with suppress(OSError):  # it is closed by now
                status = os.fstat(descriptor)
                known = before.get(descriptor)
                if known is not None and known.inode == status.st_ino:
                    self._watched[descriptor] = known
                elif stat.S_ISSOCK(status.st_mode) and (endpoint := self._endpoint(descriptor)):
                    polled.register(descriptor, select.EPOLLIN | select.EPOLLET)
                    self._watched[descriptor] = _Watched(status.st_ino, endpoint, at=time.monotonic())
                    room -= 1
                    if room < 0:
                        with _duplicate(descriptor) as found:
                            self._cut_off(found, endpoint, "is one too many")

    def _endpoint(self, descriptor: int) -> str | None:
        """Which endpoint a socket belongs to."""
        with _duplicate(descriptor) as found:
            if found.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) in (socket.AF_INET, socket.AF_INET6):
                return self._ports.get(found.getsockname()[1])
        return None

    def _count(self, descriptor: int) -> None:
        """Count what came, and cut off who sent too much."""
        watched = self._watched.get(descriptor)
        if watched is None:
            return
        with suppress(OSError), _duplicate(descriptor) as found:
            if os.fstat(found.fileno()).st_ino != watched.inode:
                return
            now, received = time.monotonic(), _bytes_received(found)
            watched.used = max(0.0, watched.used - _PER_SECOND * (now - watched.at)) + received - watched.received
            watched.at, watched.received = now, received
            if watched.used > self._allowances[watched.endpoint]:
                self._cut_off(found, watched.endpoint, f"sent {received} bytes, more than any needs")

    def _cut_off(self, connection: socket.socket, endpoint: str, why: str) -> None:
        """End a connection: ZeroMQ closes what is shut down."""
        peer = connection.getpeername()[0]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RDWR)
        if endpoint not in self._said:
            self._said.add(endpoint)
            _log.warning("a client of %s at %s %s: it is cut off; later ones won't be named", endpoint, peer, why)

    def _fail(self, error: BaseException) -> None:
        _log.error("connections are no longer watched (%s: %s); publishing goes on", type(error).__name__, error)


def _duplicate(descriptor: int) -> socket.socket:
    """The same socket once more, which stays that one even if the descriptor is closed and given to another.

    Raises:
        OSError: it is closed.
    """
    return socket.fromfd(descriptor, socket.AF_INET6, socket.SOCK_STREAM)  # whose addresses have room for either kind


def _bytes_received(connection: socket.socket) -> int:
    """How much has come; 0 for a socket that listens, and on Linux before 4.1."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
    return int(_RECEIVED.unpack(told)[0]) if len(told) == _RECEIVED.size else 0
