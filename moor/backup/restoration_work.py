"""A restore from the first question to the summary: the exchange, and the services after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor import outcome, typed
from moor.approval import confirm
from moor.backup import restoration
from moor.backup.aws import Ec2
from moor.deployment import deploying

if TYPE_CHECKING:
    from moor.screen import Screen
    from moor.session import Session


def restore(
    session: Session,
    screen: Screen,
    lock: int,
    name: str | None,
    *,
    node: str | None,
    discard_old: bool,
    approve: bool,
) -> None:
    """Restore a snapshot, or go back from a restore that was cut short.

    Args:
        session: The command.
        screen: Where progress is told.
        lock: The descriptor of the environment's lock.
        name: The snapshot: an id, or `newest`; None goes back.
        node: The machine that it must be of; any where unset.
        discard_old: Whether the former volume is deleted when everything runs.
        approve: Whether nobody is asked.

    Raises:
        CommandError: It failed, or was not approved.
        StoppedError: Somebody asked to end.
    """
    ec2 = Ec2(session)
    snapshot = None if name is None else restoration.choose(session, ec2, name, node)
    if snapshot is not None and not approve and session.settings.sandbox is None:
        question = f"Set aside all that was written since {snapshot.told}?"
        confirm(session, question, screen.console)
    with deploying(session, screen, lock) as deployment:
        done = (
            restoration.go_back(deployment, ec2)
            if snapshot is None
            else restoration.restore(deployment, ec2, snapshot)
        )
        deployment.up(approve=True)
    rows = outcome.check(session, screen)
    is_good = all(row.verdict == "good" for row in rows)
    say = session.console.print
    say()
    if snapshot is None:
        say(f"[green]back on volume {done.volume}[/], as before the restore", soft_wrap=True)
    else:
        say(f"[green]{snapshot.told}: restored[/] as volume {done.volume}", soft_wrap=True)
    say(f"services were down for {done.seconds:.0f} s until Docker had it", soft_wrap=True)
    if snapshot is not None and discard_old and is_good:
        ec2.delete_volume(done.former)
        say(f"deleted the former volume {done.former}")
    elif snapshot is not None:
        lose = typed.program(session.environment, f"backup discard {done.former}")
        say(f"the former volume {done.former} is kept; `{lose}` loses it", soft_wrap=True)
    outcome.must_be_good(session, rows)
