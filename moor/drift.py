"""Whether a machine has all that a Docker stack's state says, asked from the engine at once.

Terraform asks for each thing by itself, and the Docker provider waits two seconds before it reads a
network or a volume. Where nothing is missing and every container runs, a plan need not ask again.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from constructs_lib.host import engine
from moor.failure import CommandError
from moor.outputs import Outputs
from moor.screen import Screen
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from moor.plan import StackPlan
    from moor.session import Session


def nothing_is_missing(session: Session, state: Mapping[str, Any]) -> bool:
    """Return whether the machine has everything of a state, with all containers at work.

    What was changed in place behind Terraform's back, such as a limit by `docker update`, is not
    seen: a plan of the whole stack sees it.

    Args:
        session: The command.
        state: The Docker stack's state.
    """
    try:
        there = _on_the_machine(session)
    except (CommandError, *ENGINE_ERRORS):
        return False
    return all(_is_there(kind, attributes, there) for kind, attributes in _instances(state))


def _instances(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in state.get("resources", []):
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances", []):
            tainted = instance.get("status") == "tainted"
            yield "tainted" if tainted else resource["type"], instance.get("attributes", {})


def _is_there(
    kind: str, attributes: Mapping[str, Any], there: Mapping[str, Mapping[str, bool]]
) -> bool:
    if kind == "terraform_data":
        return True
    if kind == "docker_image":
        return str(attributes.get("image_id")) in there[kind]
    identity = str(attributes.get("id"))
    if kind == "docker_container":
        runs = there[kind].get(identity)
        return runs is not None and (runs or not attributes.get("must_run", True))
    return identity in there.get(kind, {})


def _on_the_machine(session: Session) -> dict[str, dict[str, bool]]:
    """Return by type what is on the machine, and of a container whether it runs."""
    outputs = Outputs.load(session.environment)
    client = engine.connect(outputs.docker_host, session.environment.certificates)
    with contextlib.closing(client):
        api = client.api
        return {
            "docker_container": {
                c["Id"]: c["State"] == "running" for c in api.containers(all=True)
            },
            "docker_image": {image["Id"]: True for image in api.images()},
            "docker_network": {network["Id"]: True for network in api.networks()},
            "docker_volume": {v["Name"]: True for v in api.volumes()["Volumes"] or []},
        }


def of_stacks(session: Session, console: Console) -> list[StackPlan]:
    """Ask Terraform what of both stacks was changed behind its back; change nothing.

    Args:
        session: The command.
        console: Where progress is told.

    Raises:
        CommandError: It cannot be planned, or another command is at work.
        StoppedError: Somebody asked to end.
    """
    # Imported here: a deployment itself asks this module.
    from moor import deployment_lock  # noqa: PLC0415
    from moor.deployment import deploying  # noqa: PLC0415

    screen = Screen(console)
    with (
        deployment_lock.held(session.environment, screen.say) as lock,
        deploying(session, screen, lock) as deployment,
    ):
        return deployment.plan()
