"""Where `--metrics` listens: an address and a port, of this machine alone unless told otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from engines.errors import ConfigError

__all__ = ["Address"]

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
        if not (address.loopback or insecure):
            raise ConfigError(
                f"--metrics is {text}, where other machines can read without being asked who they are; take "
                "127.0.0.1:PORT, or say --insecure"
            )
        return address

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect. A name other than `localhost` may mean any address."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
