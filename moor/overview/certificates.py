"""The certificates of an environment, and when they end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from constructs_lib.identity.certificate_authority import utc_now
from constructs_lib.identity.pem import load_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from constructs_lib.identity.certificate_authority import Clock

SOON_DAYS: Final = 30
_DAY_SECONDS: Final = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate.

    Attributes:
        of: Whose it is: `authority`, `this computer`, or a machine's name.
        ends: When it ends, aware.
        days: How many whole days that is from now; negative when it is over.
    """

    of: str
    ends: datetime
    days: int

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.days < 0


def of(
    folder: Path, machines: Mapping[str, datetime], *, clock: Clock = utc_now
) -> list[Certificate]:
    """Return an environment's certificates.

    Args:
        folder: The folder with `ca.pem` and `cert.pem`.
        machines: When those of machines end, by the machines' names.
        clock: Returns the time, aware and in UTC.
    """
    now = clock()
    ends = [*_ours(folder), *machines.items()]
    return [
        Certificate(of=name, ends=end, days=math.floor((end - now).total_seconds() / _DAY_SECONDS))
        for name, end in ends
    ]


def _ours(folder: Path) -> Iterator[tuple[str, datetime]]:
    for name, file in (("this computer", "cert.pem"), ("authority", "ca.pem")):
        try:
            yield name, load_certificate((folder / file).read_bytes()).not_valid_after_utc
        except (OSError, ValueError):
            # What is missing or damaged is told by who needs it.
            continue
