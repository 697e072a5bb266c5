"""`moor restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor import deployment_lock
from moor.options import SomeServices  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (("moor restart web", "all its containers"),)


def run(session: Session, services: SomeServices) -> None:
    """Stop services and start them again; in a swarm each gets other tasks, one after the other.

    Their configuration stays what it was: `moor up` deploys another one.
    """
    from moor.operation import power  # noqa: PLC0415  # heavy

    with deployment_lock.held(session.environment, session.console.print):
        for line in power.act(session, services, power.Action.RESTART):
            session.console.print(line, markup=False, soft_wrap=True)
