"""`moor down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor import destruction
from moor.options import Approve, Verbose  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session, *, approve: Approve = False, verbose: Verbose = False) -> None:
    """Destroy both stacks, and stop the sandbox where there is one."""
    destruction.destroy(session, session.screen(verbose=verbose), approve=approve)
