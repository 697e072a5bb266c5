"""`moor providers`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from moor import deployment_lock, providers, typed
from moor.approval import confirm
from moor.failure import CommandError, WrongUseError
from moor.options import Approve  # noqa: TC001  (read at run time)
from moor.synthesis import Synthesis
from moor.toolchain import provider_choice

if TYPE_CHECKING:
    from moor.session import Session

_Action = Annotated[
    str,
    typer.Argument(
        metavar="[upgrade]",
        help="upgrade: take the newest that are allowed, or accept those that have changed.",
        show_default=False,
    ),
]


def run(session: Session, action: _Action = "", *, approve: Approve = False) -> None:
    """Show the versions of the providers, what they are known by, and where they come from."""
    if action not in ("", "upgrade"):
        raise WrongUseError(typed.unknown("action", action, ["upgrade"]))
    with deployment_lock.held(session.environment, session.console.print) as lock:
        with contextlib.closing(Synthesis.start(session, inherited=(lock,))) as synthesis:
            stacks = synthesis.finish()
        variables, terraform = session.variables(), session.toolchain.terraform
        if action:
            upgrades = [providers.upgrade(terraform, stack, variables) for stack in stacks]
            changes = [line for upgrade in upgrades for line in upgrade.changes]
            for line in changes:
                session.console.print(line, markup=False)
            if changes and not approve and session.settings.sandbox is None:
                confirm(session, "Accept these?")
            for upgrade in upgrades:
                upgrade.accept(variables)
        listed = providers.locked(stacks, variables)
        refused = [
            line
            for stack in stacks
            for line in provider_choice.changes(
                terraform, stack.document(), stack.folder, variables
            )
        ]
    for item in listed:
        session.console.print(
            f"{item.stack:8}{item.name} {item.version}\n"
            f"        from     {item.origin}\n"
            f"        known by {item.pinned}",
            markup=False,
            highlight=False,
        )
    if refused:
        raise CommandError("\n".join(refused))
    if not listed:
        session.console.print(
            f"no providers are locked yet; next: {typed.command(session.environment, 'up')}"
        )
