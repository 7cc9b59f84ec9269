"""Addresses that servers bind, and whether only this machine reaches them."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar

from emostream.engines.errors import ConfigError, PublishError

__all__ = ["Address", "is_loopback", "names_this_machine"]

_FORM = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535

Bound = TypeVar("Bound")


@dataclass(frozen=True)
class Address:
    """An address that an HTTP server binds; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, option: str, text: str, example: str) -> Address:
        """Read what an option says.

        Raises:
            ConfigError: it is no address.
        """
        found = _FORM.fullmatch(text)
        if found is None or int(found["port"]) > _MAX_PORT:
            raise ConfigError(f"--{option} is {text!r}, expected ADDRESS:PORT, as in {example}")
        return cls(found["v6"] or found["host"], int(found["port"]))

    def bind(self, what: str, option: str, make: Callable[[int, Any], Bound]) -> Bound:
        """What `make` gives, which binds a socket of an address family to where that family says this address is.

        Raises:
            PublishError: there is no such address here, or it is taken.
        """
        try:
            family, *_, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            return make(family, where)
        except (OSError, UnicodeError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise PublishError(
                f"can't serve {what} on {self.host}:{self.port}: {said}; choose another address or port with --{option}"
            ) from None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)


def names_this_machine(header: str, bound: str) -> bool:
    """Whether a request's `Host` is `localhost`, an address, or the name that is bound; without one it is none.

    Any other name may be one that its owner has pointed here, so that a page of theirs may read what is served (DNS
    rebinding: https://en.wikipedia.org/wiki/DNS_rebinding).
    """
    name = (header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]).lower()
    try:
        ip_address(name)
    except ValueError:
        return name in ("localhost", bound.lower())
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A wildcard, or a name other than `localhost`, may mean any."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
