"""Moments as a person types them: a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from moor.failure import WrongUseError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN: Final = re.compile(r"(?:(\d+)(w|d|h|m|s))+", re.ASCII)
_PART: Final = re.compile(r"(\d+)(w|d|h|m|s)", re.ASCII)


def moment(text: str, *, option: str, now: datetime | None = None) -> datetime:
    """Read a moment.

    Args:
        text: How long ago, such as `90s`, `10m`, `1h30m`, `2d`, or a time of ISO 8601, which is
            this computer's where it names no zone.
        option: The option that it stands behind, for the error.
        now: What time it is, aware; by default the time.

    Raises:
        WrongUseError: It is neither.
    """
    if _SPAN.fullmatch(text):
        seconds = sum(int(n) * _UNITS[unit] for n, unit in _PART.findall(text))
        return (now or datetime.now(UTC)) - timedelta(seconds=seconds)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUseError(
            f"{option}: must be how long ago, such as 10m or 2d, or a time such as "
            f"2026-11-28T22:40, got {text!r}"
        ) from None
    return found.astimezone(UTC)
