"""Which image each service runs, as the engine tells, and whether a former one can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from constructs_lib.docker.reference import familiar, untagged
from moor.history.record import Deployed
from moor.recovery import PROJECT
from moor.swarm.service_state import NAMESPACE
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from constructs_lib.compose.model import ComposeProject, Service

_SERVICE: Final = "com.docker.compose.service"
_HASH: Final = "com.docker.compose.config-hash"


def of_machine(client: DockerClient, project: ComposeProject) -> dict[str, Deployed]:
    """Return what each service runs on one machine.

    Args:
        client: The machine's engine.
        project: The services.
    """
    filters: dict[str, Any] = {"label": f"{PROJECT}={project.name}"}
    ids = {
        str(c["Labels"].get(_SERVICE)): str(c["ImageID"])
        for c in client.api.containers(all=True, filters=filters)
    }
    found = {}
    api: Any = client.api
    for name, service in project.services.items():
        if name in ids:
            image = api.inspect_image(ids[name])
            found[name] = Deployed(
                image=service.image or "",
                id=ids[name],
                digest=_by_digest(service, image.get("RepoDigests") or []),
                tags=tuple(sorted(image.get("RepoTags") or [])),
                built=service.build is not None,
                configuration=service.config_hash,
            )
    return found


def running(
    client: DockerClient, project: str, *, is_swarm: bool
) -> dict[str, set[tuple[str, str]]]:
    """Return the images that services run, with the digests of their configurations.

    Args:
        client: The machine's engine, or a manager's.
        project: The project's name.
        is_swarm: Whether it is a swarm, whose services do not tell their configuration.
    """
    api: Any = client.api
    found: dict[str, set[tuple[str, str]]] = {}
    if is_swarm:
        for one in api.services(filters={"label": f"{NAMESPACE}={project}"}):
            name = str(one["Spec"]["Name"]).removeprefix(f"{project}_")
            image = str(one["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])
            found.setdefault(name, set()).add((image, ""))
        return found
    for one in api.containers(all=True, filters={"label": f"{PROJECT}={project}"}):
        what = str(one["ImageID"]), str(one["Labels"].get(_HASH))
        found.setdefault(str(one["Labels"].get(_SERVICE)), set()).add(what)
    return found


def outdated(client: DockerClient, project: ComposeProject) -> list[str]:
    """Return the services whose containers are not all of the present configuration.

    Args:
        client: The machine's engine.
        project: The services.
    """
    filters: dict[str, Any] = {"label": f"{PROJECT}={project.name}"}
    there = {
        str(c["Names"][0]).lstrip("/"): str(c["Labels"].get(_HASH))
        for c in client.api.containers(all=True, filters=filters)
    }
    return [
        name
        for name, service in project.services.items()
        if any(there.get(c) != service.config_hash for c in service.container_names(project.name))
    ]


def of_swarm(client: DockerClient, project: ComposeProject) -> dict[str, Deployed]:
    """Return what each service of a swarm runs: the swarm itself keeps it by digest.

    Args:
        client: The engine of a manager.
        project: The services.
    """
    api: Any = client.api
    listed = api.services(filters={"label": f"{NAMESPACE}={project.name}"})
    there = {
        str(one["Spec"]["Name"]): str(one["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])
        for one in listed
    }
    return {
        name: Deployed(
            image=service.image or "",
            id=image,
            digest=image if "@" in image else "",
            built=service.build is not None,
            configuration=service.config_hash,
        )
        for name, service in project.services.items()
        if (image := there.get(f"{project.name}_{name}"))
    }


def is_there(client: DockerClient, reference: str) -> str:
    """Return the id of an image that the machine has; empty where it has none of that name."""
    api: Any = client.api
    try:
        return str(api.inspect_image(reference)["Id"])
    except ENGINE_ERRORS:
        return ""


def digest_in_registry(client: DockerClient, reference: str) -> str:
    """Return what a registry has under a name, asked from the machine; empty where nothing."""
    try:
        found: Mapping[str, Any] = client.images.get_registry_data(reference).attrs
        return str(found["Descriptor"]["digest"])
    except (*ENGINE_ERRORS, KeyError, TypeError):
        return ""


def _by_digest(service: Service, digests: list[str]) -> str:
    """Return the name by digest in the service's own registry; else in any."""
    if service.build is not None or service.image is None:
        return ""
    own = familiar(untagged(service.image))
    for digest in digests:
        if familiar(untagged(digest)) == own:
            return digest
    return digests[0] if digests else ""
