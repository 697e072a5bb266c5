"""Snapshots as a person sees them, and as a script does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from moor.backup.snapshot import COMPLETED, ERROR, moment, tags_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import Console

    from moor.backup.retention import Fate
    from moor.backup.verification import Verdict

_STYLES: Final = {"good": "green", "pending": "yellow", "bad": "bold red"}
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


def show(fates: Sequence[Fate], console: Console, *, now: datetime) -> None:
    """Print a table of snapshots, the newest first.

    Args:
        fates: The snapshots, and what becomes of each.
        console: Where to print.
        now: The present time.
    """
    # On a screen of 80 columns a row is a line; the reasons are below.
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("snapshot", "taken (UTC)", "age", "GiB", "node", "state", "kept"):
        table.add_column(column, overflow="fold")
    for fate in fates:
        one = fate.snapshot
        state = {COMPLETED: "complete", ERROR: "failed"}.get(one.state, one.progress or one.state)
        style = "" if one.is_complete else ("bold red" if one.state == ERROR else "yellow")
        table.add_row(
            one.id,
            f"{one.taken:%Y-%m-%d %H:%M}",
            age(now - one.taken),
            f"{one.size_gib}",
            one.node,
            Text(state, style=style),
            Text("goes", style="yellow") if fate.goes else "yes",
        )
    console.print(table)
    for fate in fates:
        if fate.goes:
            console.print(f"{fate.snapshot.id} goes: {fate.why}", soft_wrap=True)


def show_formers(volumes: Sequence[dict[str, Any]], discard: str, console: Console) -> None:
    """Print the volumes that restores have taken out.

    Args:
        volumes: As EC2 describes them.
        discard: The command that deletes them.
        console: Where to print.
    """
    for raw in volumes:
        console.print(
            f"volume {raw['VolumeId']}, {raw['Size']} GiB: in use before a restore, and kept; "
            f"`{discard} {raw['VolumeId']}` loses it",
            soft_wrap=True,
        )


def show_verdict(verdict: Verdict, console: Console) -> None:
    """Print what a trial has shown."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("container", "state", ""):
        table.add_column(column, overflow="fold")
    for row in verdict.rows:
        table.add_row(
            row.expected.name, Text(row.state, style=_STYLES[row.verdict]), Text(row.problem)
        )
    console.print(table)


def as_json(fates: Sequence[Fate], formers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the same for a script."""
    return {
        "snapshots": [
            {
                "id": fate.snapshot.id,
                "taken": fate.snapshot.taken.isoformat(),
                "size_gib": fate.snapshot.size_gib,
                "node": fate.snapshot.node,
                "volume": fate.snapshot.volume,
                "state": fate.snapshot.state,
                "progress": fate.snapshot.progress or None,
                "by_schedule": fate.snapshot.is_scheduled,
                "kept": not fate.goes,
                "why": fate.why,
                "images": dict(fate.snapshot.images),
            }
            for fate in fates
        ],
        "former_volumes": [
            {
                "id": raw["VolumeId"],
                "size_gib": raw["Size"],
                "made": moment(raw["CreateTime"]),
                "tags": tags_of(raw),
            }
            for raw in formers
        ],
    }


def age(span: timedelta) -> str:
    """Return how old something is, in its greatest unit."""
    if span < _HOUR:
        return f"{max(0, int(span.total_seconds() // 60))} min"
    if span < _DAY:
        return f"{span // _HOUR} h"
    return f"{span // _DAY} d"
