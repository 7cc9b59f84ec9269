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
    def parse(cls, text: str, *, insecure: bool) -> Address:
        """Read what `--metrics` says.

        Raises:
            ConfigError: it is no address, or others than this machine could connect and `insecure` is not said.
        """
        found = _FORM.fullmatch(text)
        if found is None or int(found["port"]) > _MAX_PORT:
            raise ConfigError(f"--metrics is {text!r}, expected ADDRESS:PORT, as in 127.0.0.1:9464")
        address = cls(found["v6"] or found["host"], int(found["port"]))
        if not (insecure or is_loopback(address.host)):
            raise ConfigError(
                f"--metrics is {text}, where other machines can read without being asked who they are; take "
                "127.0.0.1:PORT, or say --insecure"
            )
        return address


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A wildcard, or a name other than `localhost`, may mean any."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
