"""`moor top`."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from moor.options import Json, OnlyServices  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

EXAMPLES = (
    ("moor top", "live, until Ctrl-C"),
    ("moor top --once", "one look"),
    ("moor top web --json", "one look at one service, for a script"),
)

_SECONDS: Final = 1.0
_Once = Annotated[bool, typer.Option("--once", help="Look once, and end.")]


def run(
    session: Session, services: OnlyServices = None, *, once: _Once = False, as_json: Json = False
) -> None:
    """Show what the machines and containers use: processors, memory, networks and disks.

    The processor's per cent are of one processor, as other programs tell them; memory is without
    what the kernel keeps of files. `full` is the fullest of a machine's disks.
    """
    from moor.operation import top  # noqa: PLC0415  # heavy

    with top.Watch(session, services or []) as watch:
        first = watch.first()
        if as_json:
            typer.echo(json.dumps(top.as_json(first), indent=2))
        elif once or not session.console.is_terminal:
            session.console.print(top.table(first))
        else:
            from rich.live import Live  # noqa: PLC0415

            with (
                contextlib.suppress(KeyboardInterrupt),
                Live(
                    top.table(first), console=session.console, auto_refresh=False, screen=True
                ) as live,
            ):
                while True:
                    time.sleep(_SECONDS)
                    live.update(top.table(watch.seen()), refresh=True)
