"""Addresses that servers bind, and whether only this machine reaches them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from engines.errors import ConfigError

__all__ = ["Address", "is_loopback"]

_FORM = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535


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

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A wildcard, or a name other than `localhost`, may mean any."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
