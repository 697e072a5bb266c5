"""`moor certs`: what to do where a key is lost, or somebody else may have it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from constructs_lib.settings.certificates import pki_of
from moor import deployment_lock, typed
from moor.program import command

if TYPE_CHECKING:
    from moor.session import Session

app = typer.Typer(no_args_is_help=True, help="Replace certificates and keys.")


@app.callback()
def _group() -> None:
    """Stand for the group: a program with one command alone would have none."""


class Part(StrEnum):
    """What can be rotated."""

    CLIENT = "client"
    SERVER = "server"
    AUTHORITY = "authority"
    ALL = "all"


_Part = Annotated[
    Part,
    typer.Argument(
        help="client: what this computer proves itself with. server: the machine's own. "
        "authority: what the machine's is signed with."
    ),
]


@app.command(name="rotate")
@command
def rotate(session: Session, part: _Part) -> None:
    """Prepare new certificates and keys. The next `moor up` installs them.

    The old ones work until then, and are refused from then on. The machine and its containers
    stay.
    """
    pki = pki_of(session.environment, session.settings)
    with deployment_lock.held(session.environment):
        pki.rotate(
            client=part in (Part.CLIENT, Part.ALL),
            server=part in (Part.SERVER, Part.ALL),
            authority=part in (Part.AUTHORITY, Part.ALL),
        )
    say = session.console.print
    say(f"prepared: {part}; what there was works until it is installed")
    people = ", ".join(pki.people())
    if people and part in (Part.AUTHORITY, Part.ALL):
        copy = session.environment.certificates / "ca.pem"
        say(f"after that, {people} need the new {copy}", soft_wrap=True)
    say(f"next: {typed.command(session.environment, 'up')}", soft_wrap=True)
