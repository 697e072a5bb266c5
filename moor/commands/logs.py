"""`moor logs`."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from moor.options import OnlyServices  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor logs", "all services, in the order of time"),
    ("moor logs web worker -f", "two of them, as it comes"),
    ("moor logs web --tail 50 --since 1h", "the last 50 lines of the last hour"),
)

_Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")]
_Tail = Annotated[
    int | None,
    typer.Option(
        "--tail", "-n", min=0, help="Only so many lines of each container.", show_default=False
    ),
]
_Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="TIME",
        help="From when on: how long ago, such as 10m, or a time such as 2026-11-28T22:40.",
        show_default=False,
    ),
]
_Times = Annotated[bool, typer.Option("--timestamps", "-t", help="Print when each was written.")]
_Plain = Annotated[bool, typer.Option("--no-prefix", help="Print the lines alone.")]


def run(
    session: Session,
    services: OnlyServices = None,
    *,
    follow: _Follow = False,
    tail: _Tail = None,
    since: _Since = "",
    timestamps: _Times = False,
    no_prefix: _Plain = False,
) -> None:
    """Show what services write, of all their containers on all nodes, in the order of time.

    With --follow, containers that are started later are shown, too, and Ctrl-C ends it.
    """
    from moor.operation import containers, logs  # noqa: PLC0415  # heavy
    from moor.operation.log_lines import Painter  # noqa: PLC0415
    from moor.operation.moments import moment  # noqa: PLC0415

    names = services or []
    start = moment(since, option="--since") if since else None
    found = containers.find(session, names)
    painter = Painter(
        [one.label for one in found],
        coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        times=timestamps,
        prefixed=not no_prefix,
    )
    if follow:

        def say(text: str) -> None:
            typer.echo(text, err=True)

        lines = logs.follow(session, names, tail=tail, since=start, say=say)
    else:
        lines = logs.history(session.environment, found, tail=tail, since=start)
    # Ctrl-C is how one ends it that follows.
    with contextlib.suppress(*((KeyboardInterrupt,) if follow else ())):
        for line in lines:
            sys.stdout.write(f"{painter.painted(line)}\n")
            if follow:
                sys.stdout.flush()
