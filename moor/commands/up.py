"""`moor up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from constructs_lib.compose import ended
from moor import deployment_lock, health, status
from moor.approval import must_be_attended
from moor.backup import unfinished
from moor.deployment import deploying
from moor.failure import CommandError
from moor.health import PATIENCE_SECONDS, Row, problems
from moor.options import Approve, Services, Verbose  # noqa: TC001  (read at run time)
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session


def run(
    session: Session,
    services: Services = None,
    *,
    approve: Approve = False,
    reboot: Annotated[
        bool,
        typer.Option(
            "--reboot", help="Reboot the machine first: it fetches its user data at each boot."
        ),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Deploy both stacks, and wait until everything runs that should.

    With names of services, only those and what they depend on, without touching the machine.
    """
    only = services or []
    screen = session.screen(verbose=verbose)
    with deployment_lock.held(session.environment, screen.say) as lock:
        with deploying(session, screen, lock, services=only) as deployment:
            must_be_attended(session, approve=approve)
            if reboot:
                deployment.reboot()
            if session.has_data_volume:
                unfinished.go_on(deployment)
            deployment.up(approve=approve, services=only)
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
    if session.has_data_volume:
        unfinished.let_go(session, screen.say)
    kept = session.environment.ended
    names = [row.expected.name for row in rows]
    ended.keep(kept, health.ended(rows), of=names, is_all=not only)
    members = status.members_of(session, outputs)
    status.show(session, outputs, rows, session.console, members)
    wrong = list(problems(rows, seconds=PATIENCE_SECONDS))
    if wrong:
        raise CommandError("\n".join(wrong))
