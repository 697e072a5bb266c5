"""`moor plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, plan_view
from moor.deployment import deploying
from moor.options import Json, Services, Verbose  # noqa: TC001  (read at run time)
from moor.screen import Screen, make_console

if TYPE_CHECKING:
    from moor.session import Session

_Detailed = Annotated[
    bool, typer.Option("--detailed-exitcode", help="End with status 3 where there are changes.")
]


def run(
    session: Session,
    services: Services = None,
    *,
    detailed_exitcode: _Detailed = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Show what `moor up` would change, and change nothing."""
    import sys  # noqa: PLC0415

    console = make_console(sys.stderr) if as_json else session.console
    screen = Screen(console, verbose=verbose)
    with (
        deployment_lock.held(session.environment, screen.say) as lock,
        deploying(session, screen, lock, services=services or []) as deployment,
    ):
        plans = deployment.plan(services=services or [])
    if as_json:
        typer.echo(json.dumps(plan_view.as_json(plans), indent=2))
    else:
        plan_view.show_plans(plans, console)
    pending = any(plan.changes or plan.outputs or plan.assumed for plan in plans)
    return 3 if pending and detailed_exitcode else 0
