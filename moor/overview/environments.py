"""All environments of this checkout: what is deployed, where, and how it is."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from moor.failure import CommandError
from moor.outputs import Outputs
from moor.overview import overview, view
from moor.overview.within import Question
from moor.session import Session, environments
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from constructs_lib.settings.environment import Environment

SECONDS: Final = 3.0
"""How long one environment may take; all of them are asked at once."""

_STYLES: Final = {True: "green", False: "bold red", None: "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An environment in one line.

    Attributes:
        name: Its name.
        where: `sandbox`, or the AWS region; empty where the settings cannot be read.
        address: The machine's address, or the first manager's; empty where nothing is deployed.
        state: What is there, in words.
        is_good: Whether all is well; None where nothing is deployed.
        since: When it was deployed last: ISO 8601, UTC; empty where nobody knows.
    """

    name: str
    where: str = ""
    address: str = ""
    state: str = "not deployed"
    is_good: bool | None = None
    since: str = ""


def look(mine: Environment, *, seconds: float = SECONDS) -> list[Line]:
    """Look at all environments that have settings or are deployed.

    Args:
        mine: The environment of the command, whose settings may be in another folder.
        seconds: How long to wait for one.
    """
    deadline = time.monotonic() + seconds
    named = dict.fromkeys(environments()) | {mine.name: str(mine.settings_file)}
    asked = {
        name: Question(lambda name=name, file=file: _line(file or name))  # type: ignore[misc]  # the loop's own
        for name, file in named.items()
    }
    lines = [
        question.answer(deadline) or Line(name=name, state="did not answer in time", is_good=False)
        for name, question in asked.items()
    ]
    return lines + [_elsewhere(name) for name in _deployed() if name not in named]


def show(lines: Sequence[Line], console: Console) -> None:
    """Print environments.

    Args:
        lines: The environments.
        console: Where to print.
    """
    if not lines:
        console.print("there are no environments: environments/ has no settings")
        return
    now = datetime.now(UTC)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("environment", "where", "address", "state", "deployed"):
        table.add_column(column, overflow="fold")
    for line in lines:
        ago = view.since(line.since, now)
        table.add_row(
            Text(line.name, style="bold"),
            Text(line.where),
            Text(line.address),
            Text(line.state, style=_STYLES[line.is_good]),
            Text(f"{ago} ago" if ago else ""),
        )
    console.print(table)


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the same for a script.

    Args:
        lines: The environments.
    """
    return [
        {
            "environment": line.name,
            "where": line.where or None,
            "address": line.address or None,
            "state": line.state,
            "good": line.is_good,
            "since": line.since or None,
        }
        for line in lines
    ]


def _line(chosen: str) -> Line:
    session = Session.of(chosen)
    name = session.environment.name
    try:
        settings = session.settings
    except (ValueError, OSError) as error:
        return Line(name=name, state=_first(error), is_good=False)
    where = "sandbox" if settings.sandbox else settings.aws.region
    try:
        outputs = Outputs.load(session.environment)
    except CommandError:
        return Line(name=name, where=where)
    there = Line(
        name=name, where=where, address=outputs.public_ip, is_good=False, since=_since(session)
    )
    try:
        seen = overview.look(session)
    except (CommandError, ValueError, OSError) as error:
        return _with(there, _first(error))
    if seen.rows is None:
        return _with(there, seen.problems[0] if seen.problems else "unknown")
    good = sum(row.verdict == "good" for row in seen.rows)
    state = f"{good} of {len(seen.rows)} services run"
    if not seen.is_good and good == len(seen.rows):
        state = seen.problems[0]
    return _with(there, state, is_good=seen.is_good)


def _with(line: Line, state: str, *, is_good: bool = False) -> Line:
    return Line(
        name=line.name,
        where=line.where,
        address=line.address,
        since=line.since,
        state=state,
        is_good=is_good,
    )


def _first(error: Exception) -> str:
    lines = str(error).splitlines()
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"{lines[0] if lines else type(error).__name__}{more}"


def _since(session: Session) -> str:
    """Return when the last deployment was, as its files tell; S3 is not asked for that."""
    folder = session.environment.directory
    files = sorted((folder / "history").glob("*.json"))
    try:
        if files:
            return str(json.loads(files[-1].read_bytes())["when"])
        changed = (folder / "outputs.json").stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")


def _deployed() -> list[str]:
    return sorted(file.parent.name for file in (ROOT / ".moor").glob("*/outputs.json"))


def _elsewhere(name: str) -> Line:
    """Tell of an environment whose settings are in another folder than the others'."""
    file = ROOT / ".moor" / name / "outputs.json"
    address = ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        address = str(json.loads(file.read_bytes())["aws"]["public_ip"])
    return Line(name=name, address=address, state="its settings are in another folder")
