"""From one machine alone to a swarm and back: not in place, since the data would be lost.

The machine of a swarm has a network interface of its own and other user data. The one machine that
there was would be destroyed, with its containers, images and volumes. So a plan that does that is
refused with the way to go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moor import typed
from moor.failure import CommandError

if TYPE_CHECKING:
    from moor.plan import StackPlan
    from moor.session import Session

_MACHINE: Final = "aws_instance."
_OF_A_SWARM: Final = "aws_instance.Nodes_"
"""What the addresses of a swarm's machines begin with: the ids of constructs are a contract."""


def check(session: Session, plan: StackPlan, *, is_swarm: bool) -> None:
    """Refuse a plan that would make another shape of what is deployed.

    Args:
        session: The command.
        plan: The first stack's plan.
        is_swarm: Whether the settings ask for a swarm.

    Raises:
        CommandError: It would destroy the machines of the other shape.
    """
    gone = [
        change.address
        for change in plan.changes
        if change.action == "destroy" and change.address.startswith(_MACHINE)
    ]
    others = [address for address in gone if address.startswith(_OF_A_SWARM) != is_swarm]
    if not others:
        return
    environment = session.environment
    if is_swarm:
        what, was, field, way = "a swarm", "one machine alone", "aws.machines", "Take the"
    else:
        what, was, field = "one machine alone", "a swarm", "swarm"
        way = "Say `swarm: true`, and it stays one, with a single node. Or take the"
    down = typed.command(environment, "down")
    raise CommandError(
        f"{environment.settings_file}: {field}: must keep the shape that is deployed, got {what} "
        f"where {was} is: what is there would be destroyed, and all volumes with it. {way} change "
        "back. Then either copy this settings file under another name, make the change there, "
        "deploy that beside this one, take the data over, and end this one with "
        f"`{down}`; or, where the data may go, run `{down}` first, and make the change after it"
    )
