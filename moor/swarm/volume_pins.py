"""Volumes of a swarm that were given a node, and have none any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.swarm.service_spec import volume_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moor.swarm.cluster import Member
    from moor.toolchain.stack import Stack

_STEP: Final = "terraform_data"
_PINS: Final = "Compose/Pins/"


def without_node(stack: Stack, project: str, members: Iterable[Member]) -> dict[str, list[str]]:
    """Return the steps that have to give volumes a node again, each with its volumes.

    Terraform knows of a volume's node that its step has run once. A label can be taken away, and
    goes with its node: the services of the volume would wait for ever.

    Args:
        stack: The stack with the services, synthesized.
        project: The project's name.
        members: The swarm's members. One that is down may come back, with its volumes.

    Raises:
        CommandError: The stack cannot be read.
    """
    there = {label for member in members for label in member.volumes}
    steps = stack.document().get("resource", {}).get(_STEP, {})
    found = {}
    for address in stack.addresses(lambda path: path.startswith(_PINS)):
        triggers = steps[address.removeprefix(f"{_STEP}.")].get("triggers_replace", {})
        volumes = str(triggers["volumes"]).split(",")
        if not any(volume_label(project, volume) in there for volume in volumes):
            found[address] = volumes
    return found
