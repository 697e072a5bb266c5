"""Infracost, where it is installed and has a key: its figures instead of the table's.

Source: Infracost's documentation, "CLI commands" and "Output formats".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from moor.cost.bill import Bill
from moor.cost.prices import Price, Source
from moor.cost.things import Line, to_cents
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY: Final = "INFRACOST_API_KEY"
_KEY_FILE: Final = ("infracost", "credentials.yml")
_TIMEOUT_SECONDS: Final = 120


def find(variables: Mapping[str, str]) -> str | None:
    """Return the program, where it is on the PATH and has a key.

    Args:
        variables: The environment variables.
    """
    program = shutil.which("infracost", path=variables.get("PATH", os.defpath))
    if program is None:
        return None
    home = variables.get("XDG_CONFIG_HOME") or str(Path(variables.get("HOME", "/"), ".config"))
    has_key = bool(variables.get(_KEY)) or Path(home, *_KEY_FILE).is_file()
    return program if has_key else None


def ask(program: str, folder: Path, region: str, variables: Mapping[str, str]) -> Bill:
    """Ask what a stack costs.

    Args:
        program: Infracost.
        folder: The folder with the stack's configuration.
        region: The AWS region.
        variables: The environment variables for Infracost.

    Raises:
        CommandError: It fails, takes too long, or says what is not understood.
    """
    command = [program, "breakdown", "--path", str(folder), "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--no-color", "--log-level", "error"],
            env=dict(variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"infracost: must answer within {_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason"]
        raise CommandError(f"infracost: must succeed, got: {said[-1]}")
    try:
        return read(json.loads(done.stdout), region)
    except (ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise CommandError(f"infracost: must answer in its JSON format, got {error!r}") from None


def read(document: Mapping[str, Any], region: str) -> Bill:
    """Read what Infracost says.

    Args:
        document: Its output.
        region: The AWS region.

    Raises:
        KeyError: Something is missing of it.
        ValueError: An amount is none.
    """
    source = Source(
        title=f"Infracost ({document['currency']})",
        url="https://www.infracost.io",
        date=str(document["timeGenerated"])[:10],
    )
    lines = tuple(
        line
        for project in document["projects"]
        for resource in project["breakdown"]["resources"]
        for line in _lines(resource, resource["name"], source)
    )
    return Bill(
        region=region,
        lines=lines,
        uncounted=("traffic, and all else that depends on use, unless Infracost is told of it",),
        maker="Infracost's, instead of the table's",
    )


def _lines(resource: Mapping[str, Any], name: str, source: Source) -> Iterator[Line]:
    for part in resource.get("costComponents") or ():
        # What depends on use, and nobody has said how much there is.
        if part["monthlyCost"] is not None:
            yield Line(
                what=f"{name}: {part['name']}",
                quantity=f"{part['monthlyQuantity']} {part['unit']}",
                price=Price(usd=Decimal(part["price"]), unit=str(part["unit"]), source=source),
                usd=to_cents(Decimal(part["monthlyCost"])),
            )
    for inner in resource.get("subresources") or ():
        yield from _lines(inner, f"{name}: {inner['name']}", source)
