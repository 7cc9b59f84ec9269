"""What may be shown: of addresses no passwords, and of any text nothing that a terminal would obey."""

from __future__ import annotations

import re
from unicodedata import category

__all__ = ["one_line", "redacted", "without_secrets"]

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


def one_line(text: str) -> str:
    """A text with its control characters written out, as Python writes them in a string."""
    return "".join(_written_out(each) if _obeyed(each) else each for each in text)


def _obeyed(character: str) -> bool:
    """Whether it is no mark on the screen, but a control, a direction of writing, or a break of lines."""
    return category(character)[0] == "C" or category(character) in ("Zl", "Zp")


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()
