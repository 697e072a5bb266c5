"""A port of a protocol, as the sandbox opens it."""

from __future__ import annotations

from typing import NamedTuple


class OpenPort(NamedTuple):
    """A port that is open.

    Attributes:
        protocol: `tcp` or `udp`.
        number: 1 to 65535.
    """

    protocol: str
    number: int

    def __str__(self) -> str:
        """Return it as people write it; TCP goes without saying."""
        return str(self.number) if self.protocol == "tcp" else f"{self.number}/{self.protocol}"
