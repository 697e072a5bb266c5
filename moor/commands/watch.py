"""`moor watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from moor.session import Session

_Every = Annotated[
    float, typer.Option("--every", metavar="SECONDS", help="The time between two looks.")
]


def run(session: Session, *, every: _Every = 2.0) -> None:
    """Show what `moor status` shows, again and again; ctrl-c ends it."""
    from moor.overview import live  # noqa: PLC0415  # heavy

    live.watch(session, every_seconds=every)
