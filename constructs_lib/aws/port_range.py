"""Ports, as people write them: one, or a range, of one protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Protocol = Literal["tcp", "udp", "sctp"]

PROTOCOLS: Final[tuple[Protocol, ...]] = ("tcp", "udp", "sctp")
"""What has ports."""

HIGHEST: Final = 65535
"""The last port."""

_FORM: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?(?:/([a-z]+))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports of one protocol, from the first to the last.

    Attributes:
        first: The first port, 1 to 65535.
        last: The last one, no lower than the first.
        protocol: `tcp`, `udp` or `sctp`: one number of two protocols is two ports.

    Raises:
        ValueError: A value is outside of its range.
    """

    first: int
    last: int
    protocol: Protocol = "tcp"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (1 <= self.first <= HIGHEST and 1 <= self.last <= HIGHEST):
            msg = f"must be in 1..{HIGHEST}"
            raise ValueError(msg)
        if self.first > self.last:
            msg = "must begin with the lower port"
            raise ValueError(msg)
        if self.protocol not in PROTOCOLS:
            msg = f"must be of {', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}"
            raise ValueError(msg)

    @classmethod
    def single(cls, port: int, protocol: Protocol = "tcp") -> Self:
        """Return the range of one port."""
        return cls(port, port, protocol)

    @classmethod
    def read(cls, value: object) -> Self:
        """Return what somebody has written: `443`, `"53/udp"`, `"8000-8010"` or `"8000-8010/udp"`.

        Args:
            value: A whole number, or text. A range that was read already stays what it is.

        Raises:
            ValueError: It is none of these, or outside of its range.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return cls.single(value)
        found = _FORM.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            msg = "must be a port, such as 443, 53/udp, 8000-8010 or 8000-8010/udp"
            raise ValueError(msg)
        first, last, protocol = found.groups()
        return cls(int(first), int(last or first), cast("Protocol", protocol or "tcp"))

    @property
    def written(self) -> int | str:
        """The shortest that says the same in a settings file: a number wherever one will do."""
        text = str(self)
        return int(text) if text.isdecimal() else text

    def __str__(self) -> str:
        """Return it as settings have it; TCP goes without saying."""
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return ports if self.protocol == "tcp" else f"{ports}/{self.protocol}"

    def shared_with(self, other: PortRange) -> PortRange | None:
        """Return the ports that are in another range, too; None where none are."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        if self.protocol != other.protocol or first > last:
            return None
        return PortRange(first, last, self.protocol)

    def has(self, port: int, protocol: str) -> bool:
        """Tell whether a port is one of these."""
        return self.protocol == protocol and self.first <= port <= self.last


def overlaps(ranges: Iterable[PortRange]) -> Iterator[tuple[PortRange, PortRange]]:
    """Yield each range with one before it with which it shares a port."""
    seen: list[PortRange] = []
    for one in ranges:
        for other in seen:
            if one.shared_with(other):
                yield other, one
                break
        seen.append(one)


def together(ports: Iterable[tuple[int, Any]]) -> list[PortRange]:
    """Return single ports as few ranges, in the order of protocols and numbers.

    Args:
        ports: Numbers and their protocols.
    """
    found: list[PortRange] = []
    for number, protocol in sorted(set(ports), key=lambda p: (PROTOCOLS.index(p[1]), p[0])):
        last = found[-1] if found else None
        if last is not None and last.protocol == protocol and last.last + 1 == number:
            found[-1] = PortRange(last.first, number, protocol)
        else:
            found.append(PortRange.single(number, protocol))
    return found
