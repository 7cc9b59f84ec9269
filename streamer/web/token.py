"""The secret in the page's address, which tells its viewers from any other page that a browser has open."""

from __future__ import annotations

import logging
import os
import re
import secrets
from pathlib import Path

from platformdirs import user_state_path

__all__ = ["stored_token"]

_log = logging.getLogger("emostream")

_BYTES = 24
_FORM = re.compile(r"[A-Za-z0-9_-]{32}")


def stored_token() -> str:
    """The token of this user, made at first use, so that a page finds its way back to an emostream that was restarted.

    It lies in a file that only this user can read; whoever deletes the file gets another token. Where no file can be
    kept, every start has its own.
    """
    path = user_state_path("emostream", appauthor=False) / "web-token"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _read(path) or _make(path)
    except OSError as error:
        _log.info(
            "the page's address changes with each start, since its token can't be kept in %s: %s", path, error.strerror
        )
        return secrets.token_urlsafe(_BYTES)


def _read(path: Path) -> str | None:
    """What the file holds; None where there is none, or others could have read or written it."""
    try:
        with path.open(encoding="ascii") as file:
            shared = os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077
            token = file.read(100).strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return token if _FORM.fullmatch(token) and not shared else None


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(_BYTES)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    made.unlink(missing_ok=True)
    with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    made.replace(path)
    return token
