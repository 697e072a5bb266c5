"""`moor stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor import deployment_lock, typed
from moor.options import SomeServices  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (("moor stop worker", "until `moor start worker`, or the next deployment"),)


def run(session: Session, services: SomeServices) -> None:
    """Stop services, until the next `moor up` or `moor start`.

    `moor up` starts what the Compose files describe, and `moor status` says until then that it does
    not run: to leave a service out for longer, take it out of its file.
    """
    from moor.operation import power  # noqa: PLC0415  # heavy

    with deployment_lock.held(session.environment, session.console.print):
        for line in power.act(session, services, power.Action.STOP):
            session.console.print(line, markup=False, soft_wrap=True)
    again = typed.program(session.environment, f"start {' '.join(services)}")
    session.console.print(
        f"next: `{again}`, or the next deployment, starts what is stopped", soft_wrap=True
    )
