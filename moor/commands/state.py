"""`moor state`: what to do where a state is damaged, lost or locked."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import typer

from moor import adoption, deployment_lock, plan_view, typed
from moor.approval import confirm
from moor.deployment import Deployment, deploying
from moor.failure import CommandError, WrongUseError
from moor.options import Approve, Verbose  # noqa: TC001  (read at run time)
from moor.program import command
from moor.toolchain import terraform_state

if TYPE_CHECKING:
    from moor.session import Session
    from moor.toolchain.stack import Stack

app = typer.Typer(no_args_is_help=True, help="Repair what Terraform remembers.")

_Stack = Annotated[str, typer.Argument(help="The stack: aws or docker.")]
_Lock = Annotated[str, typer.Argument(help="The lock's ID, as the error message tells it.")]


@app.command(name="restore")
@command
def restore(session: Session, stack: _Stack, *, approve: Approve = False) -> None:
    """Put the backup of a damaged local state into its place; the damaged one is kept."""
    environment = session.environment
    if session.settings.state.s3 is not None:
        raise WrongUseError(
            "state restore: must be for a state in files, got one in S3; use its versions"
        )
    file = environment.state / f"{stack}.tfstate"
    backup = terraform_state.backup_of(file)
    if backup is None:
        raise CommandError(f"{file}: must have a good backup beside it, got none")
    problem = terraform_state.damage(file)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(backup.written))
    session.console.print(
        f"{file}: {problem or 'a state that can be read'}\n"
        f"{backup.file}: version {backup.serial} of {when}, {backup.resources} resources"
    )
    if problem is None and not approve:
        confirm(session, "Replace a state that can be read by its backup?")
    with deployment_lock.held(environment, session.console.print):
        kept = terraform_state.restore(file)
    session.console.print(
        f"restored{f'; the former file is {kept}' if kept else ''}\n"
        f"next: {typed.command(environment, 'up')}"
    )


@app.command(name="unlock")
@command
def unlock(session: Session, stack: _Stack, lock: _Lock) -> None:
    """Take away a lock that nobody holds any more."""
    screen = session.screen()
    with (
        deployment_lock.held(session.environment, screen.say) as held,
        deploying(session, screen, held) as deployment,
    ):
        deployment.terraform.unlock(_chosen(deployment, stack), lock)
    session.console.print(f"the state of the stack {stack} is unlocked")


@app.command(name="adopt")
@command
def adopt(session: Session, *, approve: Approve = False, verbose: Verbose = False) -> None:
    """Take what runs on the machine into a Docker stack's state that was lost.

    Networks, volumes, images, containers and a swarm's services that bear the project's labels are
    imported; then the plan is shown of what `moor up` would still change.
    """
    screen = session.screen(verbose=verbose)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(deployment_lock.held(session.environment, screen.say))
        deployment = stack.enter_context(deploying(session, screen, lock, state_is_lost=True))
        found = adoption.find(session, deployment)
        for item in found:
            screen.say(f"{item.noun} {item.name}")
        if not found:
            raise CommandError(
                "state adopt: must find what bears the project's labels and no state knows, "
                "got nothing"
            )
        if not approve and session.settings.sandbox is None:
            confirm(session, "Take these into the state?")
        adoption.adopt(deployment, found)
        plan = deployment.plan()
        plan_view.show_plans(plan, session.console)
    session.console.print(f"next: {typed.command(session.environment, 'up')}")


def _chosen(deployment: Deployment, name: str) -> Stack:
    for stack in deployment.stacks:
        if stack.name == name:
            return stack
    raise WrongUseError(typed.unknown("stack", name, [stack.name for stack in deployment.stacks]))
