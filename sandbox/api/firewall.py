"""What the security groups let in: to the person at this computer, and to other machines.

What is not open to the person does not exist on the public address: nothing listens there.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Final

from sandbox.machines.packet_filter import ALL, Admission
from sandbox.ports import OpenPort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CALLER: Final = IPv4Address("127.0.0.1")
"""Where connections to the sandbox's addresses come from."""

WIDEST_RANGE: Final = 64
"""Ports of a rule that are opened one by one. Each costs a process on the engine."""

WELL_KNOWN: Final = (
    22, 80, 443, 2375, 2376, 3000, 3306, 5000, 5432, 6379, 8000, 8080, 8443, 9000, 9090, 9200,
)  # fmt: skip
"""What is opened of a wider range of TCP."""

WELL_KNOWN_UDP: Final = (53, 123, 161, 443, 500, 514, 1194, 3478, 4500, 5060, 5353, 51820)
"""What is opened of a wider range of UDP."""

_SOME: Final = {"tcp": WELL_KNOWN, "udp": WELL_KNOWN_UDP}

_SCTP: Final = frozenset({"132", "sctp"})
_ALL: Final = "-1"
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressRule:
    """One rule of a security group.

    Attributes:
        protocol: `tcp`, `udp`, `icmp`, the number of another one, or `-1` for all.
        from_port: First port, or type of ICMP; None or -1 where the protocol has none, or for all.
        to_port: Last port, or code of ICMP; likewise.
        cidr: The IPv4 network that may connect; empty where the rule names something else
            (IPv6, another group, a prefix list), none of which is this computer.
        group: The id of the group whose members may connect; empty where the rule names none.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPorts:
    """What the rules open.

    Attributes:
        ports: The ports of TCP and UDP.
        notes: One line for each rule that is opened only in part.
    """

    ports: frozenset[OpenPort]
    notes: tuple[str, ...] = ()


def open_ports(rules: Iterable[IngressRule], caller: IPv4Address = CALLER) -> OpenPorts:
    """Work out the ports that are open to a caller.

    Args:
        rules: The ingress rules of all groups of an instance.
        caller: Who connects.
    """
    ports: set[OpenPort] = set()
    notes: list[str] = []
    for rule in rules:
        if not rule.cidr or caller not in IPv4Network(rule.cidr, strict=False):
            continue
        if rule.protocol in _SCTP:
            notes.append(
                f"SCTP from {rule.cidr}: not opened, as gates hand on TCP and UDP; it is let in "
                "between machines"
            )
        # Of all protocols, what most rules are about is what programs try.
        protocol = "tcp" if rule.protocol == _ALL else rule.protocol
        if protocol not in _SOME:
            continue
        first, last = 0, _HIGHEST_PORT
        if rule.protocol != _ALL:
            first = 0 if rule.from_port in (None, -1) else rule.from_port or 0
            last = _HIGHEST_PORT if rule.to_port in (None, -1) else rule.to_port or 0
        if last - first < WIDEST_RANGE:
            ports.update(OpenPort(protocol, number) for number in range(max(first, 1), last + 1))
            continue
        some = [number for number in _SOME[protocol] if first <= number <= last]
        ports.update(OpenPort(protocol, number) for number in some)
        suffix = "" if protocol == "tcp" else f"/{protocol}"
        notes.append(
            f"ports {first}-{last}{suffix} from {rule.cidr}: only "
            f"{', '.join(map(str, some)) or 'none'} opened, as ranges of more than {WIDEST_RANGE} "
            "ports are not opened one by one"
        )
    return OpenPorts(ports=frozenset(ports), notes=tuple(notes))


def admissions(
    rules: Iterable[IngressRule], members: Mapping[str, Iterable[IPv4Address]]
) -> Iterator[Admission]:
    """Yield what the rules let in from other machines.

    Args:
        rules: The ingress rules of all groups of an instance.
        members: The addresses of the machines in each group.
    """
    for rule in rules:
        sources = [IPv4Network(address) for address in sorted(members.get(rule.group, ()))]
        if rule.cidr:
            sources.append(IPv4Network(rule.cidr, strict=False))
        first, last = (
            None if port in (None, -1) else port for port in (rule.from_port, rule.to_port)
        )
        for source in sources:
            yield Admission(
                protocol=ALL if rule.protocol == _ALL else rule.protocol,
                first=first,
                last=last,
                source=source,
            )
