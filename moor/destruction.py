"""The end of an environment: both stacks destroyed, and the sandbox stopped."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from constructs_lib.terraform.stacks import STACKS
from moor import data_volumes, deployment_lock, recovery, sandbox_control, typed
from moor.approval import must_be_attended
from moor.deployment import Deployment, deploying
from moor.failure import CommandError, StoppedError
from moor.outputs import outputs_file
from moor.synthesis import Synthesis
from moor.toolchain import binary, terraform_state
from moor.toolchain.toolchain import ROOT, with_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moor.data_volumes import Volume
    from moor.screen import Screen
    from moor.session import Session
    from sandbox.lifecycle import Sandbox


def destroy(session: Session, screen: Screen, *, approve: bool) -> None:
    """Destroy both stacks in reverse order, and stop the sandbox.

    A sandbox is ours alone: it is stopped and forgotten whether or not Terraform managed to take
    it apart piece by piece.

    Args:
        session: The command.
        screen: Where progress is told.
        approve: Whether nobody is asked.

    Raises:
        CommandError: The destruction failed, or was not approved.
        ValueError: The settings cannot be used.
        StoppedError: Somebody asked to end.
    """
    environment, settings = session.environment, session.settings
    must_be_attended(session, approve=approve)
    with deployment_lock.held(environment, screen.say) as lock:
        if settings.sandbox is None:
            with deploying(session, screen, lock) as deployment:
                deployment.down(approve=approve)
                state = deployment.terraform.state(deployment.stacks[0])
            _forget(session)
            _tell_kept(session, [volume for volume, _ in data_volumes.known(state).values()])
            return
        # Imported here: it brings the docker SDK.
        from sandbox.lifecycle import Sandbox  # noqa: PLC0415

        sandbox = Sandbox(environment, settings.sandbox, screen.say)
        try:
            if terraform_state.resource_count(environment) and not sandbox_control.is_lost(
                environment, sandbox
            ):
                _take_apart(session, screen, lock, sandbox)
        except StoppedError:
            raise
        except (CommandError, ValueError) as error:
            screen.close()
            screen.say(str(error), style="yellow")
            screen.say("the sandbox is removed as a whole instead")
        with screen.phase("sandbox stops", done=""):
            sandbox_control.stop(environment, settings.sandbox, screen.say)
        screen.close()
        _forget(session)
    screen.console.print(
        f"[green]nothing is left of the environment {environment.name}[/] but its keys, "
        f"certificates, provider locks and logs in {environment.directory.relative_to(ROOT)}; "
        f"next: {typed.command(environment, 'up')}"
    )
    _tell_kept(session, data_volumes.kept_of_a_sandbox(session))


def _take_apart(session: Session, screen: Screen, lock: int, sandbox: Sandbox) -> None:
    """Destroy the stacks of a sandbox that runs."""
    synthesis = Synthesis.start(session, inherited=(lock,))
    try:
        with screen.phase("synthesis"):
            stacks = synthesis.finish(tick=screen.tick)
    finally:
        synthesis.close()
    deployment = Deployment(session=session, screen=screen, lock=lock, stacks=stacks)
    if session.settings.is_swarm:
        from moor.swarm import access  # noqa: PLC0415  # heavy, and for a swarm only

        deployment.upkeep = access.upkeep_of(session, screen)
    deployment.use(with_changes(session.variables(), sandbox.environment_variables()))
    deployment.down(approve=True)


def _tell_kept(session: Session, volumes: Sequence[Volume]) -> None:
    for line in data_volumes.tell_kept(session, volumes):
        session.console.print(line, style="bold", soft_wrap=True)


def _forget(session: Session) -> None:
    from moor.history import store  # noqa: PLC0415  # heavy

    environment = session.environment
    outputs_file(environment).unlink(missing_ok=True)
    binary.forget(environment)
    # With the images and data, and the key of the records' digests, the way back is gone, too.
    store.forget(session)
    if environment.secrets.exists():
        shutil.rmtree(environment.secrets)
    for stack in STACKS:
        recovery.end(environment, stack)
