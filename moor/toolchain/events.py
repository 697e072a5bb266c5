"""What Terraform says while it works, one line of JSON at a time.

Source: Terraform's documentation, "Machine-readable UI"; OpenTofu speaks the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that Terraform says.

    Attributes:
        kind: Terraform's own word, such as `apply_start` or `diagnostic`; `text` for a line
            that is no JSON, which Terraform prints when it fails early.
        text: What it says, for a person.
        data: The whole line.
    """

    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        """The resource that it is about; empty where it is about none."""
        for part in (self.data.get("hook"), self.data.get("change")):
            if isinstance(part, dict) and isinstance(part.get("resource"), dict):
                return str(part["resource"].get("addr", ""))
        return ""

    @property
    def action(self) -> str:
        """What is done to that resource: `create`, `update`, `delete`, `replace`, ...; or empty."""
        for part in (self.data.get("hook"), self.data.get("change")):
            if isinstance(part, dict):
                return str(part.get("action", ""))
        return ""

    @property
    def diagnostic(self) -> Diagnostic | None:
        """The error or warning that it is; None where it is something else."""
        found = self.data.get("diagnostic")
        if self.kind != "diagnostic" or not isinstance(found, dict):
            return None
        return Diagnostic(
            severity=str(found.get("severity", "error")),
            summary=str(found.get("summary", "")),
            detail=str(found.get("detail", "")),
            address=str(found.get("address", "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """An error or a warning of Terraform's.

    Attributes:
        severity: `error` or `warning`.
        summary: What is wrong, in a line.
        detail: More of it, or nothing.
        address: The resource that it is about, or nothing.
    """

    severity: str
    summary: str
    detail: str = ""
    address: str = ""


def parse(line: str) -> Event:
    """Read one line of Terraform's.

    Returns:
        The event; of a line that is not JSON its text.
    """
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "@message" not in document:
        return Event(kind="text", text=line.rstrip("\n"))
    return Event(
        kind=str(document.get("type", "log")), text=str(document["@message"]), data=document
    )
