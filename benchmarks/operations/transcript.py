"""What a command printed, without what is another one each time."""

from __future__ import annotations

import re
from typing import Final

_CHANGING: Final = (
    # Times and durations.
    (r"\(\d+(\.\d+)? s\)", "(… s)"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|\+00:00)?", "2026-01-02 03:04"),
    (r"(?<!of )\b\d{4}-\d\d-\d\d\b", "2026-01-02"),
    # What AWS, Docker and OpenSSH number or compute.
    (r"\b(ami|eipalloc|eipassoc|eni|i|sg|sgr|snap|subnet|vol|vpc)-[0-9a-f]{8,17}\b", r"\1-0123…"),
    (r"\bsha256:[0-9a-f]{12,64}", "sha256:0123…"),
    (r"\bSHA256:[A-Za-z0-9+/]{43}", "SHA256:0123…"),
    (r"\b[zh]1:[A-Za-z0-9+/=]{20,}", "h1:0123…"),
    (r"(?<!blob/)\b[0-9a-f]{40,64}\b", "0123…"),
    (r"\b[0-9a-f]{12}\b", "0123456789ab"),
    # What is another one on each computer, or at each moment.
    (r"\b\d+ (s|min)\b", "1 min"),
    (r"\b\d+% of \d+ GiB", "10% of 20 GiB"),
    (r"\bkernel [0-9]\S*", "kernel 6.12.0"),
    (r"\b[\w.-]+@[\w.-]+( +)[0-9a-f]{8}\b\+?", r"ada@desk\g<1>0123abcd"),
)

_PROGRESS: Final = re.compile(
    r"^(aws|docker): .*(created|changed|destroyed|replaced|failed after) ?.*\(… s\)$"
)
"""A line of what is under way. Their order is another one each time."""

LEFT_OUT: Final = "…"


def normalised(text: str, folders: dict[str, str]) -> str:
    """Return a transcript that is the same each time.

    Args:
        text: What was printed, without colours.
        folders: What stands for folders of this computer, by their paths; longer ones first.
    """
    for path, name in folders.items():
        text = text.replace(path, name)
    for pattern, constant in _CHANGING:
        text = re.sub(pattern, constant, text)
    lines: list[str] = []
    for line in text.splitlines():
        if not _PROGRESS.match(line):
            lines.append(line.rstrip())
        elif not lines or lines[-1] != LEFT_OUT:
            lines.append(LEFT_OUT)
    return "\n".join(lines).strip("\n")
