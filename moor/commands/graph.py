"""`moor graph`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from moor import deployment_lock, graph
from moor.synthesis import Synthesis
from moor.toolchain.toolchain import ROOT

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session) -> None:
    """Draw Terraform's graph of each stack into `docs/pictures/`."""
    with deployment_lock.held(session.environment) as lock:
        with contextlib.closing(Synthesis.start(session, inherited=(lock,))) as synthesis:
            stacks = synthesis.finish()
        for stack in stacks:
            files = graph.draw(
                session.toolchain.terraform,
                stack.folder,
                ROOT / "docs" / "pictures" / stack.name,
                session.variables(),
            )
            for file in files:
                session.console.print(f"drew {file.relative_to(ROOT)}")
