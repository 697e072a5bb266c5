"""What can go wrong with a swarm, and Swarm's own words of it in ours."""

from __future__ import annotations

import re
from typing import Final

JOIN_PORT: Final = 2377

_TOKEN: Final = re.compile(r"SWMTKN-[0-9a-zA-Z-]*")

_OPEN: Final = (
    "let the nodes reach each other at their private addresses: "
    "2377/tcp, 7946 tcp and udp, 4789/udp"
)
_REMEDIES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), remedy)
    for pattern, remedy in (
        (
            (
                r"certificate (?:has expired or )?is not (?:yet )?valid|certificate has expired|"
                r"not valid before|not valid after"
            ),
            "the clocks of the machines, or of one, are wrong: set them (timedatectl)",
        ),
        (r"does not have a leader|too few managers|no elected primary", "run: moor swarm recover"),
        (r"could not connect to prospective new cluster member|advertised address", _OPEN),
        (r"connection refused|deadline ?exceeded|timeout|timed out|no route to host", _OPEN),
        (r"valid join token", "the token was changed meanwhile: deploy again"),
        (
            r"remote CA does not match|bad certificate|unknown authority",
            "another swarm answers at that address: see who has it",
        ),
    )
)


class SwarmError(Exception):
    """The swarm is not, or cannot be made, what it should be; the text says the remedy."""


def without_tokens(text: str) -> str:
    """Return text without any join token that it may have."""
    return _TOKEN.sub("SWMTKN-…", text)


def remedy_of(text: str) -> str:
    """Return what is to be done about what an engine said of its swarm; empty where unknown."""
    for pattern, remedy in _REMEDIES:
        if pattern.search(text):
            return remedy
    return ""


def told(text: str) -> str:
    """Return what an engine said, in one line, without tokens, and with the remedy if known."""
    line = without_tokens(" ".join(text.split()))
    remedy = remedy_of(line)
    return f"{line}; {remedy}" if remedy else line
