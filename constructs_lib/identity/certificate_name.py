"""The names that a server's certificate is for: addresses and DNS names.

Source: RFC 6125.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from cryptography import x509

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_NAME: Final = 253


def parse_name(name: str) -> x509.IPAddress | x509.DNSName:
    """Read a subject alternative name.

    Args:
        name: An IPv4 or IPv6 address, or a DNS name; in the latter, letters become lower case.

    Returns:
        An `IPAddress` for an address: clients that connect to an address compare it with
        nothing else.

    Raises:
        ValueError: It is neither, or it is an address that no server can have.
    """
    # Digits and dots alone were meant as an address: 1.2.3 must not pass as a DNS name.
    if ":" in name or re.fullmatch(r"[0-9.]+", name):
        return x509.IPAddress(_parse_address(name))
    lowered = name.lower()
    labels = lowered.split(".")
    if (
        name.isascii()
        and len(lowered) <= _LONGEST_NAME
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    ):
        return x509.DNSName(lowered)
    raise ValueError(
        f"certificate name: must be an IP address or a DNS name, got {name!r}; "
        "international names are given in their xn-- form"
    )


def _parse_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(name)
    except ValueError as error:
        raise ValueError(
            f"certificate name: must be an IP address or a DNS name, got {name!r}"
        ) from error
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ValueError(f"certificate name: must be an address without a zone, got {name!r}")
    if address.is_unspecified or address.is_multicast or name == "255.255.255.255":
        raise ValueError(f"certificate name: must be an address of one machine, got {name!r}")
    return address
