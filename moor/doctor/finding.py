"""What a check tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What `--fix` does about a finding: only what loses nothing.

    Attributes:
        text: What is done, as one would say it after it is done.
        do: Does it, and may return further words.
    """

    text: str
    do: Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong, or that somebody should know.

    Attributes:
        subject: What it is about: a file, a machine, a port.
        text: What must be and what is.
        remedy: What to do.
        is_wrong: Whether something does not work, or soon will not; else it is good to know.
        fix: What can be done about it safely; None for nothing.
    """

    subject: str
    text: str
    remedy: str
    is_wrong: bool = True
    fix: Fix | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one check.

    Attributes:
        name: What was looked at.
        told: What there is, in a few words.
        findings: What is wrong with it.
    """

    name: str
    told: str
    findings: tuple[Finding, ...] = field(default=())

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong."""
        return any(finding.is_wrong for finding in self.findings)
