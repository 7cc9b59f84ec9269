"""What may be shown of an address: cameras take user names and passwords in their URLs."""

from __future__ import annotations

import re

__all__ = ["redacted", "without_secrets"]

_ADDRESS = re.compile(r"\S+:\S*@\S*|[A-Za-z][A-Za-z0-9+.-]*:/\S+")
_SECRET_WITHOUT_SCHEME = re.compile(r".*:.*@")  # `rtsp:user:secret@host`, or a URL whose slashes were forgotten


def redacted(path: str) -> str:
    """A path or URL that can be shown: user name, password and query of a URL left out.

    Where it can't be told what is what, since a password holds `/`, `?` or `#` as it is, less is shown. A part of
    the path that holds `=` counts as a query, as some cameras take it.
    """
    scheme, separator, rest = path.partition("://")
    if not separator:
        return path.rpartition("@")[2] if _SECRET_WITHOUT_SCHEME.match(path) else path
    place, query, more = re.match(r"([^?#]*)([?#]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if query and "@" in more:
        place = "..."
    host, *parts = place.rpartition("@")[2].split("/")
    shown = [host]
    for part in parts:
        if "=" in part:
            shown.append("...")
            break
        shown.append(part)
    return f"{scheme}://{'/'.join(shown)}"


def without_secrets(text: str) -> str:
    """A text in which every address is `redacted`, whoever wrote it."""
    return _ADDRESS.sub(lambda found: redacted(found[0]), text)
