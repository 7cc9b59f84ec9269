"""Cuts off clients that send more than subscriptions and requests take, or take all descriptors of the process.

ZeroMQ bounds each frame, and how many messages wait, but neither a message whose frames never end nor how much one
client subscribes to: both would grow in this process. How much a connection has brought is known to Linux alone, since
4.1; elsewhere, and on `ipc://`, nothing is counted.

The thread "guard" looks at every socket of the process again and again, since ZeroMQ's own events of connections come
through a queue whose end, or a pause of whose reader, would stop ZeroMQ, and `epoll` says nothing of what ZeroMQ has
fetched by then.
"""

from __future__ import annotations

import errno
import logging
import os
import platform
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from emostream.streamer.threads import OwnedThread

__all__ = ["ConnectionGuard"]

_log = logging.getLogger("emostream")

_MANY = 1 << 20  # descriptors, even where there is no limit
_ALL = 1 << 24  # bytes at once from all together
_PER_SECOND = 256  # bytes for nothing, for heartbeats and a request now and then
_EVERY_S = 0.1  # in which a client of this machine can send some 30 MB
_ALARMED_S, _ALARMED_EVERY_S = 10.0, 0.01  # for who is cut off comes again
_RESET = struct.pack("ii", 1, 0)  # nothing is waited for, and the client notices at once
_RECEIVED = struct.Struct("128xQ")  # tcpi_bytes_received, of <linux/tcp.h>


@dataclass
class _Open:
    """An open file of the process.

    Attributes:
        inode: tells it from a later one with the same descriptor.
        endpoint: to which it is a connection; empty for anything else.
        since: when it was found, of `time.monotonic()`.
        at: when it was last looked at.
        received: bytes until then.
        used: bytes of its allowance.
    """

    inode: int
    endpoint: str
    since: float = field(default_factory=time.monotonic)
    at: float = 0.0
    received: int = 0
    used: float = 0.0


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
        self._open: dict[int, _Open] = {}
        self._descriptors = 0
        self._alarmed_until = 0.0
        self._said: set[str] = set()
        self._ended = threading.Event()
        self._thread = OwnedThread("guard", self._run, self._fail)

    def start(self) -> None:
        """Start the thread, where connections can be counted."""
        if self._ports and platform.system() == "Linux":
            from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit  # not there on Windows

            descriptors = getrlimit(RLIMIT_NOFILE)[0]
            self._descriptors = _MANY if descriptors == RLIM_INFINITY else min(descriptors, _MANY)
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ended.wait(_ALARMED_EVERY_S if time.monotonic() < self._alarmed_until else _EVERY_S):
            self._look()
            connections = [(descriptor, each) for descriptor, each in self._open.items() if each.endpoint]
            connections.sort(key=lambda each: each[1].since)
            for number, (descriptor, connection) in enumerate(connections, 1):
                self._count(descriptor, connection)
                if connection.used > self._allowances[connection.endpoint]:
                    self._cut_off(descriptor, connection, f"sent {connection.received} bytes, more than any needs")
                elif number > self._descriptors // 2:
                    self._cut_off(descriptor, connection, "is one too many")
            connections.sort(key=lambda each: each[1].used)
            while sum(each.used for _, each in connections) > _ALL:
                self._cut_off(*connections.pop(), "sent the most where all together send too much")

    def _look(self) -> None:
        """Learn what is open by now."""
        before, self._open = self._open, {}
        for descriptor in self._listed():
            with suppress(OSError):  # it is closed by now
                status = os.fstat(descriptor)
                known = before.get(descriptor)
                if known is None or known.inode != status.st_ino:
                    endpoint = self._endpoint(descriptor) if stat.S_ISSOCK(status.st_mode) else ""
                    known = _Open(status.st_ino, endpoint)
                self._open[descriptor] = known

    def _listed(self) -> Iterable[int]:
        try:
            return map(int, os.listdir("/proc/self/fd"))
        except OSError:  # no descriptor is left to list them with
            return range(self._descriptors)

    def _endpoint(self, descriptor: int) -> str:
        """To which endpoint a socket is a connection, if to any."""
        with _held(descriptor) as found:
            tcp = found.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) in (socket.AF_INET, socket.AF_INET6)
            if tcp and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return self._ports.get(found.getsockname()[1], "")
        return ""

    def _count(self, descriptor: int, connection: _Open) -> None:
        """Count what came since the last time."""
        with suppress(OSError), _held(descriptor) as found:
            now, received = time.monotonic(), _bytes_received(found)
            rested = max(0.0, connection.used - _PER_SECOND * (now - connection.at))
            connection.used = rested + received - connection.received
            connection.at, connection.received = now, received

    def _cut_off(self, descriptor: int, connection: _Open, why: str) -> None:
        """End a connection: ZeroMQ closes what is shut down."""
        with suppress(OSError), _held(descriptor) as found:
            if os.fstat(found.fileno()).st_ino != connection.inode:
                return
            peer = found.getpeername()[0]
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            found.shutdown(socket.SHUT_RDWR)
            self._alarmed_until = time.monotonic() + _ALARMED_S
            if connection.endpoint not in self._said:
                self._said.add(connection.endpoint)
                told = "a client of %s at %s %s: it is cut off, and later ones won't be named"
                _log.warning(told, connection.endpoint, peer, why)

    def _fail(self, error: BaseException) -> None:
        _log.error("connections are no longer watched (%s: %s); publishing goes on", type(error).__name__, error)


@contextmanager
def _held(descriptor: int) -> Iterator[socket.socket]:
    """A copy of a socket, which stays that one even if the descriptor is closed and given to another.

    Raises:
        OSError: it is closed, or no socket.
    """
    try:
        copy = os.dup(descriptor)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        copy = descriptor  # none is left for a copy
    try:
        found = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, fileno=copy)  # the family with room for both
        try:
            yield found
        finally:
            found.detach()
    finally:
        if copy != descriptor:
            os.close(copy)


def _bytes_received(connection: socket.socket) -> int:
    """How much has come; 0 on Linux before 4.1."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
    return int(_RECEIVED.unpack(told)[0]) if len(told) == _RECEIVED.size else 0
