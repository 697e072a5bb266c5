"""`moor doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moor.failure import WrongUseError
from moor.options import Json  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor doctor", "everything"),
    ("moor doctor --fix", "and mend what loses nothing"),
    ("moor doctor --offline", "without the network"),
    ("moor doctor --security", "what is open, to whom and why"),
)

_Security = Annotated[
    bool, typer.Option("--security", help="What is open, to whom, why, and what needs a look.")
]
_Offline = Annotated[
    bool, typer.Option("--offline", help="Only what can be told without the network.")
]
_Fix = Annotated[
    bool,
    typer.Option(
        "--fix",
        help="Mend what loses nothing: rights of key files, what nothing names on a full disk, "
        "locks that a killed command has left.",
    ),
]


def run(
    session: Session,
    *,
    security: _Security = False,
    offline: _Offline = False,
    fix: _Fix = False,
    as_json: Json = False,
) -> int:
    """Look an environment through, and tell the remedy of each thing that is wrong.

    This computer: programs, rights, disk, locks, certificates. AWS: credentials, clock, quota. The
    machines: whether they are there and are ours, clocks, disks, each opened port from here. The
    exit status is 1 where something is wrong.

    With --security: each port that is open, to whom, and who answers; services that could take
    the machine over; files that others can read. Nothing has to be deployed.
    """
    if security:
        if fix:
            raise WrongUseError("doctor: must have --security or --fix, got both")
        from moor import exposure  # noqa: PLC0415  # heavy

        found = exposure.examine(session.environment, session.settings, session.services)
        if as_json:
            typer.echo(json.dumps(exposure.as_json(found), indent=2))
        else:
            exposure.show(found, session.console)
        return 0
    from moor.doctor import look  # noqa: PLC0415  # heavy
    from moor.doctor.patient import Patient  # noqa: PLC0415

    results = look.examine(Patient(session=session), offline=offline)
    if fix:

        def say(line: str) -> None:
            typer.echo(line, err=as_json)

        results = look.fixed(results, say)
    if as_json:
        typer.echo(json.dumps(look.as_json(results), indent=2))
    else:
        look.show(results, session.console)
    return int(any(result.is_wrong for result in results))
