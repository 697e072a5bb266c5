"""`moor env`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from moor.operation import shell_variables
from moor.operation.shell_variables import Shell
from moor.options import Json  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ('eval "$(moor env)"', "sh, bash, zsh"),
    ("moor env | source", "fish"),
    ("moor env | Out-String | Invoke-Expression", "PowerShell"),
    ('eval "$(moor env --unset)"', "and back again"),
)

_Shell = Annotated[
    Shell | None,
    typer.Option("--shell", help="For whom; by default guessed by SHELL.", show_default=False),
]
_Unset = Annotated[bool, typer.Option("--unset", help="Print what takes the variables away.")]


def run(
    session: Session, *, shell: _Shell = None, unset: _Unset = False, as_json: Json = False
) -> None:
    """Print what a shell needs so that `docker` talks to the machine, or a swarm's manager.

    The shell has to run what is printed: see the examples.
    """
    chosen = shell or shell_variables.guessed()
    if unset:
        names = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
        lines = shell_variables.unsetting(chosen, names)
        typer.echo(json.dumps(names, indent=2) if as_json else "\n".join(lines))
        return
    from moor import status  # noqa: PLC0415  # heavy
    from moor.outputs import Outputs  # noqa: PLC0415

    variables = status.docker_variables_of(session, Outputs.load(session.environment))
    if as_json:
        typer.echo(json.dumps(variables, indent=2))
        return
    typer.echo("\n".join(shell_variables.setting(chosen, variables)))
    if sys.stdout.isatty():
        # Who sees these lines has not had them run; it is no line for the shell itself.
        from moor import typed  # noqa: PLC0415

        words = f"env --shell {chosen}" if shell else "env"
        usage = shell_variables.usage(chosen, typed.program(session.environment, words))
        typer.echo(f"# {usage}")
