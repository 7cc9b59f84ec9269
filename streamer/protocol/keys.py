"""CURVE keys: who may listen when a socket can be reached from other machines.

A server's folder holds `server.key` (public), `server.key_secret`, and `clients/NAME.key`, the public keys of the
clients that are let in. A client holds `server.key` and its own `NAME.key_secret`. All are certificates of `zmq.auth`;
`emostream keys` makes them.

It loads pyzmq and the standard library only.
"""

from __future__ import annotations

import logging
import os
import re
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import zmq
from zmq.auth import create_certificates
from zmq.utils import z85

from emostream.engines.errors import ConfigError, PublishError

__all__ = [
    "CLIENTS",
    "PUBLIC",
    "SECRET",
    "SERVER",
    "ClientKeys",
    "ServerKeys",
    "check_curve",
    "load_client_keys",
    "make_client",
    "make_server",
]

_NAME = r"[A-Za-z0-9_-]{1,64}"


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


def make_server(folder: Path) -> None:
    """Make a server's pair in a folder, which is made too, for its owner alone.

    Raises:
        ConfigError: there is one, or libzmq has no CURVE.
        PublishError: the folder can't be written.
    """
    check_curve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / CLIENTS).mkdir(mode=0o700, exist_ok=True)
        _make_pair(SERVER, folder / f"{SERVER}{PUBLIC}", folder / f"{SERVER}{SECRET}")
    except OSError as error:
        raise _cannot_write(error, folder) from None


def make_client(folder: Path, name: str, to: Path) -> Path:
    """Make a client's pair: its public key into a server's folder, which lets it in, and its secret one elsewhere.

    Args:
        folder: of the server.
        name: of the client.
        to: folder for the secret key.

    Returns:
        The file with the secret key.

    Raises:
        ConfigError: a wrong name, no server's folder, keys of that name, or libzmq has no CURVE.
        PublishError: a folder can't be written.
    """
    check_curve()
    if not re.fullmatch(_NAME, name):
        raise ConfigError(f"client {name!r} is not a valid name: use 1 to 64 of a-z, A-Z, 0-9, '_' and '-'")
    if not (folder / f"{SERVER}{PUBLIC}").is_file():
        raise ConfigError(f"{folder} holds no {SERVER}{PUBLIC}; make it first with `emostream keys {folder}`")
    secret = to / f"{name}{SECRET}"
    try:
        _make_pair(name, folder / CLIENTS / f"{name}{PUBLIC}", secret)
    except OSError as error:
        raise _cannot_write(error, to) from None
    return secret


def _make_pair(name: str, public: Path, secret: Path) -> None:
    """Write a new pair to two files, or neither."""
    for path in (public, secret):
        if path.exists():
            raise ConfigError(f"{path} exists, and keys are never overwritten; remove it, or choose another name")
    with tempfile.TemporaryDirectory() as folder:  # which only its owner can enter
        made_public, made_secret = map(Path, create_certificates(folder, name))
        _write_new(secret, made_secret.read_bytes(), 0o600)
        try:
            _write_new(public, made_public.read_bytes(), 0o644)
        except BaseException:
            secret.unlink()
            raise


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def _cannot_write(error: OSError, folder: Path) -> PublishError:
    return PublishError(f"keys can't be written to {error.filename or folder}: {error.strerror}; choose another folder")
