"""What Compose complains of in a port, which it does without telling where the port stands."""

from __future__ import annotations

import re
from typing import Final

from constructs_lib.aws.port_range import HIGHEST

_ADDRESS: Final = "must be published on an address such as 127.0.0.1 or ::1"

_FAILURES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), requirement)
    for pattern, requirement in (
        (
            r"invalid hostPort: (?P<value>.*)",
            f"must publish a port in 1..{HIGHEST}, or a range such as 8000-8010",
        ),
        (
            r"invalid containerPort: (?P<value>.*)",
            f"must name a container's port in 1..{HIGHEST}",
        ),
        (r"invalid proto: (?P<value>.*)", "must be of tcp, udp or sctp"),
        (
            r"invalid IP address:? (?P<value>[^ ]*?)(?:: .*)?",
            _ADDRESS,
        ),
        (
            r"services\.\S+\.ports\.\[\]: invalid ip address: (?P<value>.*)",
            _ADDRESS,
        ),
        (
            r"invalid ranges specified for container and host Ports: (?:\S+) and (?P<value>\S+)",
            "must have as many ports of the machine as of the container",
        ),
        (
            r"no port specified: (?P<value>.*?)<empty>",
            "must name a container's port",
        ),
    )
)


def port_problem(text: str) -> tuple[str, str] | None:
    """Tell what is wrong with a port.

    Args:
        text: What Compose says.

    Returns:
        What stands there, and what must; None where it complains of something else.
    """
    for pattern, requirement in _FAILURES:
        if found := pattern.fullmatch(text):
            return found["value"], requirement
    return None
