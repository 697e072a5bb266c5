"""`moor share`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from constructs_lib.identity import people
from constructs_lib.identity.certificate_authority import utc_now
from constructs_lib.settings.certificates import pki_of
from moor import deployment_lock, typed
from moor.outputs import Outputs

if TYPE_CHECKING:
    from moor.session import Session

_Name = Annotated[
    str | None, typer.Argument(help="Whom; without it, who has access is listed.", metavar="[NAME]")
]
_Days = Annotated[
    int, typer.Option("--days", help="How long it is valid.", min=1, max=people.LONGEST_DAYS)
]


def run(session: Session, name: _Name = None, *, days: _Days = 90) -> None:
    """Make a certificate for a person, who may then use Docker on the machine until it ends.

    The next `moor up` makes the machine answer it. Whoever may use Docker there has all of the
    machine.
    """
    environment, say = session.environment, session.console.print
    pki = pki_of(environment, session.settings)
    if name is None:
        there = pki.people()
        for person, certificate in there.items():
            end = certificate.not_valid_after_utc
            over = "" if utc_now() < end else ", over"
            say(f"{person}: until {end:%F}{over}")
        if not there:
            say("nobody but this computer has access")
        return
    host = Outputs.load(environment).docker_host
    folder = environment.shared / name
    with deployment_lock.held(environment):
        pki.ensure()
        end = people.share(pki, name, days=days, folder=folder)
    say(f"{name} has access until {end:%F}, from the next deployment on", soft_wrap=True)
    say(
        f"next: {typed.command(environment, 'up')}, then give {name} the folder {folder} over a "
        "way that nobody else can read, and see that aws.docker_api.cidrs has that network",
        soft_wrap=True,
    )
    say("with its place there, these are to be typed:")
    # Each of them whole, for copying, whatever the screen's width.
    typer.echo(f"export DOCKER_HOST={shlex.quote(host)} DOCKER_TLS_VERIFY=1")
    typer.echo(f'export DOCKER_CERT_PATH="$PWD/{name}"')
