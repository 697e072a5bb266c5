"""`moor synth`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from moor import deployment_lock
from moor.synthesis import Synthesis

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session) -> None:
    """Write the Terraform configuration of both stacks; needs no Docker and no network."""
    with (
        deployment_lock.held(session.environment) as lock,
        contextlib.closing(Synthesis.start(session, inherited=(lock,))) as synthesis,
    ):
        for stack in synthesis.finish():
            session.console.print(f"{stack.name:8}{stack.folder}")
