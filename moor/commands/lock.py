"""`moor lock`: who works on an environment, and what to do where nobody does any more."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from moor.failure import WrongUseError
from moor.options import Json  # noqa: TC001  (read at run time)
from moor.program import command, examples

if TYPE_CHECKING:
    from moor.operation.locks import Held
    from moor.session import Session

app = typer.Typer(no_args_is_help=True, help="See who works on an environment, or end it.")

_Despite = Annotated[
    str,
    typer.Option(
        "--despite",
        metavar="ENVIRONMENT",
        help="Also where the holder lives, or may live: type the environment's name. A command "
        "of this computer is interrupted, as by Ctrl-C.",
        show_default=False,
    ),
]


@app.command(name="status", epilog=examples(("moor lock status", "who, since when, and where")))
@command
def status(session: Session, *, as_json: Json = False) -> None:
    """Show who holds the environment's lock and those of its states in S3, and since when."""
    from moor.operation import locks  # noqa: PLC0415

    found = locks.held(session)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in found], indent=2))
        return
    for one in found:
        session.console.print(_line(one), markup=False, soft_wrap=True)
    if not found:
        session.console.print(f"environment {session.environment.name}: nobody works on it")


@app.command(
    name="release",
    epilog=examples(
        ("moor lock release", "what a killed command has left"),
        ("moor lock release --despite production", "also where its holder may live"),
    ),
)
@command
def release(session: Session, *, despite: _Despite = "") -> None:
    """Release locks that nobody needs any more; those of who is at work are refused.

    The lock of this computer goes with the command that holds it, whatever ends that. What stays
    is the lock of a state in S3, where a deployment was killed, or its computer has gone.
    """
    from moor.operation import locks  # noqa: PLC0415

    name = session.environment.name
    if despite and despite != name:
        raise WrongUseError(
            f"--despite: must be the name of this environment, {name}, got {despite!r}"
        )
    found = locks.held(session)
    for one in found:
        session.console.print(
            locks.release(session, one, despite=bool(despite)), markup=False, soft_wrap=True
        )
    if not found:
        session.console.print(f"environment {name}: nobody holds a lock")


def _line(one: Held) -> str:
    since = "" if one.since is None else f" since {_shown(one.since)}"
    doing = f", {one.doing}" if one.doing else ""
    processes = f" (process {', '.join(map(str, one.here))})" if one.here else ""
    identity = f"; lock {one.id}" if one.id else ""
    return f"{one.what}: held by {one.who}{since}{doing}{processes}{identity}"


def _shown(moment: datetime) -> str:
    seconds = max(int((datetime.now(UTC) - moment).total_seconds()), 0)
    ago = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004
    local = time.strftime("%Y-%m-%d %H:%M:%S", moment.astimezone().timetuple())
    return f"{local} ({ago})"


def _as_json(one: Held) -> dict[str, object]:
    return {
        "what": one.what,
        "who": one.who,
        "doing": one.doing,
        "since": None if one.since is None else one.since.isoformat(),
        "processes": list(one.here),
        "id": one.id or None,
    }
