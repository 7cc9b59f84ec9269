"""Making CURVE keys; nothing is ever overwritten."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from zmq.auth import create_certificates

from emostream.engines.errors import ConfigError, PublishError
from emostream.streamer.protocol.keys import CLIENTS, PUBLIC, SECRET, SERVER, check_curve

__all__ = ["make_client", "make_server"]

_NAME = r"[A-Za-z0-9_-]{1,64}"


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
