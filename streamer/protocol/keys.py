"""CURVE keys: who may listen when a socket can be reached from other machines.

A server's folder holds `server.key` (public), `server.key_secret`, and `clients/NAME.key`, the public keys of the
clients that are let in. A client holds `server.key` and its own `NAME.key_secret`. All are certificates of `zmq.auth`;
`emostream keys` makes them.

It loads pyzmq and the standard library only.
"""

from __future__ import annotations

import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from emostream.engines.errors import ConfigError

__all__ = [
    "CLIENTS",
    "PUBLIC",
    "SECRET",
    "SERVER",
    "ClientKeys",
    "ServerKeys",
    "check_curve",
    "load_client_keys",
]


if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator


SERVER, CLIENTS = "server", "clients"
PUBLIC, SECRET = ".key", ".key_secret"

_DOMAIN = "emostream"
_log = logging.getLogger("emostream")


@dataclass(frozen=True)
class ServerKeys:
    """The keys of a publisher.

    Attributes:
        folder: where they are.
        public: key, Z85.
        secret: key, Z85.
        clients: public keys of those that are let in, Z85.
    """

    folder: Path
    public: bytes
    secret: bytes
    clients: frozenset[bytes]

    @classmethod
    def load(cls, folder: Path) -> ServerKeys:
        """Read a server's folder.

        Raises:
            ConfigError: a key is missing or damaged, or libzmq has no CURVE.
        """
        check_curve()
        own = folder / f"{SERVER}{SECRET}"
        if not own.is_file():
            raise ConfigError(f"--keys {folder} holds no {own.name}; make it with `emostream keys {folder}`")
        public, secret = _read_pair(own)
        clients = sorted((folder / CLIENTS).glob(f"*{PUBLIC}"))
        if not clients:
            _log.warning(
                "--keys %s lists no client, so nobody can listen; `emostream keys %s --client NAME` lets one in",
                folder,
                folder,
            )
        return cls(folder, public, secret, frozenset(_read_public(client) for client in clients))

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Let a socket that isn't bound yet speak only with clients that an authenticator lets in."""
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret
        socket.curve_server = True
        socket.zap_domain = _DOMAIN.encode()
        # Or ZeroMQ would let everyone in while no authenticator runs.
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def start_authenticator(self, context: zmq.Context[zmq.Socket[bytes]]) -> ThreadAuthenticator:
        """Start what lets the listed clients in, and no others, to the sockets of a context."""
        from zmq.auth.thread import ThreadAuthenticator

        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.thread.name = "authenticator"
        authenticator.configure_curve_callback(domain=_DOMAIN, credentials_provider=self)
        return authenticator

    def callback(self, domain: str, key: bytes) -> bool:
        """Tell the authenticator whether a client's public key, Z85, is listed."""
        return key in self.clients


@dataclass(frozen=True)
class ClientKeys:
    """The keys of a subscriber.

    Attributes:
        server: the server's public key, Z85.
        public: its own key, Z85.
        secret: its own key, Z85.
    """

    server: bytes
    public: bytes
    secret: bytes

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Let a socket that isn't connected yet speak only with that server."""
        socket.curve_serverkey = self.server
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret


def load_client_keys(server_key: str | Path | None, client_key: str | Path | None) -> ClientKeys | None:
    """Read the server's public key and the client's secret one; None where neither is given.

    Raises:
        ConfigError: one is not given, a file is missing, damaged, or the wrong one, or libzmq has no CURVE.
    """
    if server_key is None and client_key is None:
        return None
    if server_key is None or client_key is None:
        raise ConfigError("the server's key and the client's go together; give both, or neither")
    check_curve()
    return ClientKeys(_read_public(Path(server_key)), *_read_pair(Path(client_key)))


def check_curve() -> None:
    """Refuse keys where they can't be used.

    Raises:
        ConfigError: libzmq has no CURVE.
    """
    if not zmq.has("curve"):
        raise ConfigError(
            f"keys need CURVE, and this libzmq {zmq.zmq_version()} was built without it; install pyzmq from its wheels"
        )


def _read_public(path: Path) -> bytes:
    public, secret = _read(path)
    if secret is not None:
        raise ConfigError(f"{path} holds a secret key, which only its owner may have; give the {PUBLIC} file beside it")
    return public


def _read_pair(path: Path) -> tuple[bytes, bytes]:
    public, secret = _read(path)
    if secret is None:
        raise ConfigError(f"{path} holds a public key only; give the owner's {SECRET} file")
    if zmq.curve_public(secret) != public:
        raise ConfigError(f"key {path} is damaged: its two keys do not belong together; make another one")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        _log.warning("key %s is secret, but others may read it; `chmod 600 %s`", path, path)
    return public, secret


def _read(path: Path) -> tuple[bytes, bytes | None]:
    from zmq.auth import load_certificate

    if not path.exists():
        raise ConfigError(f"key {path} does not exist; `emostream keys` makes keys")
    try:
        public, secret = load_certificate(path)
        for key in (public, secret):
            if key is not None and (len(key) != 40 or len(z85.decode(key)) != 32):
                raise ValueError
    except OSError as error:
        raise ConfigError(f"key {path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, IndexError, struct.error):
        raise ConfigError(f"key {path} is damaged; expected a file that `emostream keys` made") from None
    return public, secret
