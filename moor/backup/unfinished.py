"""What a deployment does for backups: it goes on with what was cut short, and lets old ones go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moor.failure import CommandError
from moor.outputs import outputs_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from moor.deployment import Deployment
    from moor.session import Session


def go_on(deployment: Deployment) -> None:
    """Start what a backup that was killed has stopped, and go on with a restore; before a plan.

    Args:
        deployment: The deployment, prepared.

    Raises:
        CommandError: The restore fails.
        StoppedError: Somebody asked to end.
    """
    # Imported here: only where there is a data volume is any of it needed.
    from moor.backup import restoration, stillness  # noqa: PLC0415

    if outputs_file(deployment.session.environment).exists():
        try:
            stillness.resume(deployment.session, deployment.screen.say)
        except CommandError as error:
            # A machine that is gone is made anew by what follows.
            deployment.screen.say(f"warning: {error}")
        restoration.finish(deployment)


def let_go(session: Session, say: Callable[[str], None]) -> None:
    """Delete the snapshots that the settings do not keep; after a deployment.

    Args:
        session: The command.
        say: Takes a line for a person.
    """
    from moor.backup import pruning  # noqa: PLC0415  # likewise

    pruning.after_deployment(session, say)
