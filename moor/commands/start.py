"""`moor start`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor import deployment_lock
from moor.options import SomeServices  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (("moor start worker", "what `moor stop worker` has stopped"),)


def run(session: Session, services: SomeServices) -> None:
    """Start services that were stopped."""
    from moor.operation import power  # noqa: PLC0415  # heavy

    with deployment_lock.held(session.environment, session.console.print):
        for line in power.act(session, services, power.Action.START):
            session.console.print(line, markup=False, soft_wrap=True)
