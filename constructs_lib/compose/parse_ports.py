"""The published ports of a service."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final, cast

from constructs_lib.aws.port_range import HIGHEST, PROTOCOLS
from constructs_lib.compose.model import Port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from constructs_lib.aws.port_range import Protocol
    from constructs_lib.compose.errors import Problems
    from constructs_lib.compose.model import Service

# Compose hands on whatever stands there. Other scripts have digits, too, and they are none here.
_PUBLISHED: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)

_ANY: Final = "0.0.0.0"  # noqa: S104  (what the engine takes where no address is named)


def read_ports(raw: Mapping[str, Any], where: str, problems: Problems) -> tuple[Port, ...]:
    """Read the ports of a service, each once.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        problems: Gets what is wrong.
    """
    found: dict[Port, None] = {}
    for index, entry in enumerate(raw.get("ports") or ()):
        place = f"{where}.ports[{index}]"
        wrong = dict(_wrong(entry))
        for key, problem in wrong.items():
            problems.add(f"{place}.{key}", problem)
        if wrong:
            continue
        # Two publications on one address are one; the engine would refuse the second.
        found[
            Port(
                target=int(entry["target"]),
                published=_span(entry),
                protocol=_protocol(entry),
                host_ip=_address(entry),
            )
        ] = None
    return tuple(found)


def ports_without_effect(services: Iterable[Service]) -> Iterator[str]:
    """Tell which services have ports that the engine discards, as it does without a word itself.

    Args:
        services: The services.
    """
    for service in services:
        if service.ports and not service.publishes:
            mode = service.options.network_mode
            instead = (
                "the program listens on the machine's own ports, and others reach it there as far "
                "as a security group lets them"
                if mode == "host"
                else "nobody reaches it"
            )
            yield (
                f"services.{service.name}.ports: have no effect with network_mode: {mode}: the "
                f"engine discards them, and {instead}; leave them out"
            )


def _wrong(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a port, by its key."""
    target = entry.get("target")
    if not isinstance(target, int) or not 1 <= target <= HIGHEST:
        yield "target", f"must be in 1..{HIGHEST}, got {target or 0}"
    published = str(entry.get("published") or "")
    found = _PUBLISHED.fullmatch(published)
    if published and found is None:
        yield "published", f"must be a port or a range such as 8000-8010, got {published!r}"
    elif found is not None and published != "0":
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= HIGHEST:
            yield "published", f"must be in 1..{HIGHEST}, got {published}"
    if _protocol(entry) not in PROTOCOLS:
        yield "protocol", f"must be tcp, udp or sctp, got {entry['protocol']!r}"
    try:
        _address(entry)
    except ValueError:
        yield "host_ip", f"must be an address, got {entry['host_ip']!r}"


def _span(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    found = _PUBLISHED.fullmatch(str(entry.get("published") or "0"))
    if found is None or found[0] == "0":
        return None
    return int(found[1]), int(found[2] or found[1])


def _protocol(entry: Mapping[str, Any]) -> Protocol:
    return cast("Protocol", str(entry.get("protocol") or "tcp").lower())


def _address(entry: Mapping[str, Any]) -> str:
    """Return the machine's address as the engine writes it.

    Raises:
        ValueError: It is none.
    """
    address = ip_address(str(entry.get("host_ip") or _ANY))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
