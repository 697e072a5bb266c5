"""The deployments on record, for a person and for a script."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from moor import typed
from moor.history.store import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from moor.history.record import Record
    from moor.session import Session

_COMMIT_SHOWN: Final = 8


def show(records: Sequence[Record], session: Session) -> None:
    """Print the records, the newest first.

    Args:
        records: The records, the oldest first.
        session: The command.
    """
    console = session.console
    if not records:
        console.print(f"{session.environment.name}: {told([])}", soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("no.", justify="right")
    table.add_column("when", no_wrap=True)
    table.add_column("by", overflow="fold")
    table.add_column("commit", no_wrap=True)
    table.add_column("what was new", overflow="fold")
    before = [None, *records]
    for record, earlier in reversed(list(zip(records, before, strict=False))):
        commit = record.commit[:_COMMIT_SHOWN] + ("+" if record.changed else "")
        table.add_row(
            Text(str(record.number), style="bold"),
            Text(_local(record.when)),
            Text(record.by),
            Text(commit),
            Text("\n".join(news(record, earlier))),
        )
    console.print(table)
    if any(record.changed for record in records):
        console.print(Text("+: with changes that no commit has", style="dim"))
    if len(records) > 1:
        back = typed.program(session.environment, f"rollback {records[-2].number}")
        console.print(f"\nnext: {back} goes back to the one before", soft_wrap=True)


def news(record: Record, before: Record | None) -> Iterator[str]:
    """Say what a deployment changed.

    Args:
        record: The deployment.
        before: The one before it; None for the first on record.
    """
    if record.back_to is not None:
        yield f"back to {record.back_to}"
        return
    if before is None:
        yield ", ".join(sorted(record.services)) or "no services"
        return
    said = False
    for name, now in sorted(record.services.items()):
        was = before.services.get(name)
        if was is None:
            yield f"{name}: new, {now.shown}"
        elif was.id != now.id:
            yield f"{name}: {was.shown} -> {now.shown}"
        elif was.configuration != now.configuration or _body(record, name) != _body(before, name):
            yield f"{name}: its configuration"
        else:
            continue
        said = True
    for name in sorted(before.services.keys() - record.services.keys()):
        said = True
        yield f"{name}: gone"
    if record.machine != before.machine:
        said = True
        yield "the machine"
    if not said:
        yield "files, secrets or networks"


def as_json(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the records for a script, the oldest first; without what a rollback needs of them.

    Args:
        records: The records, the oldest first.
    """
    before = [None, *records]
    return [
        {
            "number": record.number,
            "when": record.when,
            "by": record.by,
            "commit": record.commit or None,
            "changed": record.changed,
            "back_to": record.back_to,
            "news": list(news(record, earlier)),
            "services": {
                name: {"image": one.image or None, "digest": one.digest or None, "id": one.id}
                for name, one in sorted(record.services.items())
            },
        }
        for record, earlier in zip(records, before, strict=False)
    ]


def _body(record: Record, name: str) -> object:
    return record.document.get("services", {}).get(name)


def _local(when: str) -> str:
    """Return a time as a clock on the wall would have it."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return when
