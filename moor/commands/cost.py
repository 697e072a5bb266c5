"""`moor cost`."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from moor.failure import CommandError
from moor.options import Json  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.cost.bill import Bill
    from moor.session import Session

_AsOnAws = Annotated[
    bool, typer.Option("--as-on-aws", help="Of a sandbox: what the same would cost on AWS.")
]
_Table = Annotated[
    bool, typer.Option("--table", help="Take the table of prices, even where Infracost is there.")
]


def run(
    session: Session,
    *,
    as_on_aws: _AsOnAws = False,
    table: _Table = False,
    as_json: Json = False,
) -> None:
    """Tell what the configuration costs a month by the list price, before it is deployed.

    The prices are those of a table in the project, each with its source and day, or Infracost's
    where that is installed and has a key. Traffic is not counted; what has no price in the table
    is told, and never guessed.
    """
    from moor.cost import view  # noqa: PLC0415
    from moor.cost.bill import bill_of  # noqa: PLC0415
    from moor.cost.prices import Prices  # noqa: PLC0415

    if session.settings.sandbox is not None and not as_on_aws:
        if as_json:
            typer.echo(json.dumps({"currency": "USD", "monthly": "0.00", "sandbox": True}))
            return
        session.console.print(
            f"{session.environment.name} costs nothing: it is a sandbox on this computer.\n"
            "With --as-on-aws you see what the same would cost on AWS."
        )
        return
    bill = None if table else _infracosts(session)
    if bill is None:
        bill = bill_of(session.settings, Prices.load())
    if as_json:
        typer.echo(json.dumps(view.as_json(bill), indent=2))
    else:
        view.show(bill, session.console)


def _infracosts(session: Session) -> Bill | None:
    """Return Infracost's bill, where it can make one."""
    from moor import deployment_lock  # noqa: PLC0415
    from moor.cost import infracost  # noqa: PLC0415
    from moor.screen import make_console  # noqa: PLC0415
    from moor.synthesis import Synthesis  # noqa: PLC0415

    program = infracost.find(os.environ)
    # It asks what a configuration would cost on AWS: a sandbox's points elsewhere.
    if program is None or session.settings.sandbox is not None:
        return None
    with (
        deployment_lock.held(session.environment) as lock,
        contextlib.closing(Synthesis.start(session, inherited=(lock,))) as synthesis,
    ):
        first = synthesis.finish()[0]
    try:
        return infracost.ask(program, first.folder, session.settings.aws.region, os.environ)
    except CommandError as error:
        import sys  # noqa: PLC0415

        told = f"warning: {error}; these are the table's prices"
        make_console(sys.stderr).print(told, style="yellow", markup=False)
        return None
