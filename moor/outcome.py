"""What has come of a deployment: whether everything runs that should, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.compose import ended
from moor import health, last_words, status
from moor.failure import CommandError
from moor.health import PATIENCE_SECONDS, Row, problems
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.screen import Screen
    from moor.session import Session


def check(session: Session, screen: Screen, *, only: Sequence[str] = ()) -> list[Row]:
    """Wait until everything runs that should, or something does not, and show it.

    Args:
        session: The command.
        screen: Where progress is told.
        only: The services to look at; all of them where empty.

    Raises:
        CommandError: The machine does not answer.
        ValueError: The services cannot be read.
    """
    outputs = Outputs.load(session.environment)

    def tick(rows: list[Row]) -> None:
        waiting = [row.expected.name for row in rows if row.verdict == "pending"]
        screen.note("check", f"waiting for {', '.join(waiting)}" if waiting else "")
        screen.tick()

    screen.start("check", "does everything run that should?")
    try:
        rows = status.rows(
            session, outputs, patience_seconds=PATIENCE_SECONDS, only=only, tick=tick
        )
    finally:
        screen.close()
    names = [row.expected.name for row in rows]
    ended.keep(session.environment.ended, health.ended(rows), of=names, is_all=not only)
    status.show(session, outputs, rows, session.console, status.members_of(session, outputs))
    return rows


def must_be_good(session: Session, rows: Sequence[Row]) -> None:
    """Refuse what is not as it should be.

    Args:
        session: The command.
        rows: What has become of the services.

    Raises:
        CommandError: Something is not; with the end of what it has said.
    """
    bad = [row for row in rows if row.verdict != "good"]
    if not bad:
        return
    told = last_words.of(session, bad)
    lines = []
    found = problems(
        bad,
        seconds=PATIENCE_SECONDS,
        look=lambda row: last_words.command(session.environment, row.expected.service),
    )
    for row, line in zip(bad, found, strict=True):
        lines += [line, *told.get(row.expected.name, [])]
    raise CommandError("\n".join(lines))
