"""`moor up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, outcome
from moor.approval import must_be_attended
from moor.backup import unfinished
from moor.deployment import deploying
from moor.options import Approve, Services, Verbose  # noqa: TC001  (read at run time)

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
        from moor.history import recording  # noqa: PLC0415  # heavy

        with deploying(session, screen, lock, services=only) as deployment:
            must_be_attended(session, approve=approve)
            if reboot:
                deployment.reboot()
            if session.has_data_volume:
                unfinished.go_on(deployment)
            try:
                changed = any(p.changes for p in deployment.up(approve=approve, services=only))
            except BaseException:
                # Some of it may be deployed, and the next command finds nothing more to do.
                recording.mark(session.environment)
                raise
        if changed:
            recording.mark(session.environment)
        rows = outcome.check(session, screen, only=only)
        if session.has_data_volume:
            unfinished.let_go(session, screen.say)
        outcome.must_be_good(session, rows)
        if recording.is_due(session):
            recording.keep(session, is_all=not only, say=session.console.print)
