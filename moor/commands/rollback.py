"""`moor rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, typed
from moor.approval import must_be_attended
from moor.options import Approve, Verbose  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from moor.session import Session

_Number = Annotated[
    int | None,
    typer.Argument(
        metavar="[N]",
        help="The deployment's number, as `moor history` tells it; without it the one before the "
        "last, or the last where another one has failed since.",
        show_default=False,
    ),
]


def run(
    session: Session,
    number: _Number = None,
    *,
    approve: Approve = False,
    verbose: Verbose = False,
) -> None:
    """Deploy the services once more as they were, with the images that they had.

    The machine and the data in its volumes stay as they are. What is secret is in no record, and
    has to be what it was. The next `moor up` goes forward again, to what the files say.
    """
    from moor import outcome  # noqa: PLC0415  # heavy
    from moor.deployment import deploying  # noqa: PLC0415  # heavy
    from moor.history import recording, rollback  # noqa: PLC0415  # heavy
    from moor.history.store import Store  # noqa: PLC0415  # heavy

    screen = session.screen(verbose=verbose)
    with deployment_lock.held(session.environment, screen.say) as lock:
        store = Store.of(session)
        record = rollback.chosen(session, store, number)
        must_be_attended(session, approve=approve)
        with rollback.former(session, record) as former:
            with deploying(former, screen, lock) as deployment:
                screen.say(f"back to deployment {record.number} of {record.when}, by {record.by}")
                deployment.services_only(approve=approve)
            rows = outcome.check(former, screen)
        outcome.must_be_good(former, rows)
        again = record.model_copy(
            update={"when": recording.now(), "by": recording.by(), "back_to": record.number}
        )
        kept = store.add(again)
    session.console.print(
        f"\nthe services are those of deployment {record.number} again; this is on record as "
        f"{kept.number}\nnext: {typed.command(session.environment, 'up')} goes forward again, to "
        "what the files say now",
        soft_wrap=True,
    )
