"""`moor context`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor context", "make or update it; then: docker --context NAME ps"),
    ("moor context --remove", "take it away, with its certificates"),
)

_Remove = Annotated[bool, typer.Option("--remove", help="Take it away.")]


def run(session: Session, *, remove: _Remove = False) -> None:
    """Make a context of Docker's own for the machine, or a swarm's manager, with its certificates.

    It holds copies of the certificates, private to this user: run this again after each change of
    them, such as `moor certs rotate`. All three are written each time.
    """
    from moor import status, typed  # noqa: PLC0415  # heavy
    from moor.operation import docker_context  # noqa: PLC0415
    from moor.outputs import Outputs  # noqa: PLC0415

    environment, say = session.environment, session.console.print
    if remove:
        wanted = docker_context.of(session)
        done = "removed" if wanted.remove() else "there was none"
        say(f"Docker context {wanted.name}: {done}", soft_wrap=True)
        return
    variables = status.docker_variables_of(session, Outputs.load(environment))
    wanted = docker_context.of(
        session, variables["DOCKER_HOST"], Path(variables["DOCKER_CERT_PATH"])
    )
    name = wanted.name
    is_new = wanted.write(shutil.which("docker"))
    say(f"Docker context {name}: {'made' if is_new else 'updated'}", soft_wrap=True)
    for warning in docker_context.rivals(os.environ, name):
        say(f"[yellow]warning:[/] {warning}", soft_wrap=True)
    say(f"next: docker --context {name} ps", soft_wrap=True)
    say(
        f"after a change of certificates: {typed.program(environment, 'context')} again",
        soft_wrap=True,
    )
