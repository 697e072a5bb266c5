"""A Docker stack's state, had back from what runs on the machine.

Containers, networks, volumes and the services of a swarm are imported by what the configuration
calls them. The provider cannot import images: they are created, which takes what the machine has.
Of a swarm's steps those run again that services refer to; they find there what they would make.
What the engine does not tell, such as the files that were copied into a container, the next plan
shows as a change.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.host import engine
from moor.failure import CommandError
from moor.outputs import Outputs
from moor.recovery import PROJECT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from docker import DockerClient

    from moor.deployment import Deployment
    from moor.session import Session

_IMAGE: Final = "docker_image"
_IMPORTED: Final = {
    "docker_network": "network",
    "docker_volume": "volume",
    "docker_container": "container",
    "docker_service": "service",
}
"""In this order, since each may need those before it."""

_STEP: Final = "terraform_data"
_REFERRED: Final = re.compile(r"Compose/(Contents/.*|Pins/[^/]*|.*/Mode)(/Resource)?")
"""The steps of a swarm's stack that services refer to, by their construct paths: without them in
the state a plan would take each service's secrets for unknown, and change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A thing on the machine that the configuration knows and the state does not.

    Attributes:
        address: Its resource.
        identity: What the provider knows it by; empty for an image or a step, which is created.
        noun: What kind of thing it is.
        name: What it is called.
    """

    address: str
    identity: str
    noun: str
    name: str


def find(session: Session, deployment: Deployment) -> list[Found]:
    """Find what can be taken into the state.

    Args:
        session: The command.
        deployment: The deployment, prepared.

    Raises:
        CommandError: The machine does not answer, or the state cannot be read.
    """
    stack = deployment.stacks[-1]
    resources = stack.document().get("resource", {})
    state = deployment.terraform.state(stack)
    known = {f"{r['type']}.{r['name']}" for r in state.get("resources", [])}
    there = _there(session)
    found = []
    for kind, noun in _IMPORTED.items():
        for name, body in resources.get(kind, {}).items():
            identity = there.get(kind, {}).get(body.get("name"))
            if identity and f"{kind}.{name}" not in known:
                found.append(
                    Found(
                        address=f"{kind}.{name}",
                        identity=identity,
                        noun=noun,
                        name=str(body["name"]),
                    )
                )
    if found:
        for name, body in resources.get(_IMAGE, {}).items():
            if f"{_IMAGE}.{name}" not in known:
                found.append(
                    Found(
                        address=f"{_IMAGE}.{name}",
                        identity="",
                        noun="image",
                        name=_image(str(body["name"])),
                    )
                )
    if any(item.noun == _IMPORTED["docker_service"] for item in found):
        found += [
            Found(address=address, identity="", noun="step", name=path.removeprefix("Compose/"))
            for address, path in stack.paths()
            if address.startswith(f"{_STEP}.") and _REFERRED.fullmatch(path)
            if address not in known
        ]
    return found


def adopt(deployment: Deployment, found: list[Found]) -> None:
    """Take things into the state.

    Args:
        deployment: The deployment, prepared.
        found: What `find` has found.

    Raises:
        CommandError: Something cannot be taken; what was taken before stays.
        StoppedError: Somebody asked to end.
    """
    stack, terraform = deployment.stacks[-1], deployment.terraform
    made = [item.address for item in found if not item.identity]
    if made:
        deployment.apply_only(stack, made)
    for item in found:
        if item.identity:
            with deployment.screen.phase(f"{item.noun} {item.name}"):
                terraform.take_over(stack, item.address, item.identity)


def _there(session: Session) -> dict[str, dict[str, str]]:
    """Return by type and name what bears the project's labels."""
    filters: dict[str, Any] = {"label": f"{PROJECT}={session.services.name}"}
    if session.settings.is_swarm:
        return _in_the_swarm(session, filters)
    outputs = Outputs.load(session.environment)
    try:
        client = engine.connect(outputs.docker_host, session.environment.certificates)
        with contextlib.closing(client):
            return {
                "docker_container": {
                    str(c.name): str(c.id)
                    for c in client.containers.list(all=True, filters=filters)
                },
                "docker_network": _networks(client, filters),
                "docker_volume": {
                    str(v.name): str(v.name) for v in client.volumes.list(filters=filters)
                },
            }
    except ENGINE_ERRORS as error:
        raise CommandError(
            f"{outputs.docker_host}: the Docker API must answer, got: {error}"
        ) from None


def _in_the_swarm(session: Session, filters: dict[str, Any]) -> dict[str, dict[str, str]]:
    from moor.swarm import access  # noqa: PLC0415  # heavy, and for a swarm only

    with access.live_cluster(session, session.console.print).engine() as client:
        return {
            "docker_network": _networks(client, filters),
            "docker_service": {
                str(s.name): str(s.id) for s in client.services.list(filters=filters)
            },
        }


def _networks(client: DockerClient, filters: dict[str, Any]) -> dict[str, str]:
    return {str(n.name): str(n.id) for n in client.networks.list(filters=filters)}


def _image(name: str) -> str:
    """Return an image's name without the tokens in it."""
    return name.partition("@${")[0].partition(":${")[0]
