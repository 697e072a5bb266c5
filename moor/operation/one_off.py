"""One more container of a service, for one command: without ports, and not started again.

Its configuration is that of the service's own container, as the engine has it. In a swarm a
container alone could neither be on the swarm's networks nor have its secrets, so there it is the
only task of a service that is made for it.
"""

from __future__ import annotations

import contextlib
import copy
import time
from typing import TYPE_CHECKING, Any, Final

from docker.errors import NotFound

from moor.failure import CommandError
from moor.operation import containers
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker import DockerClient

    from moor.operation.containers import Placed
    from moor.operation.enter import Call
    from moor.session import Session

_TASK_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.2

_OWN_NETWORK: Final = ("IPAMConfig", "Links", "DriverOpts", "GwPriority")
"""What of a container's place in a network another one may have as well, but for its address."""


@contextlib.contextmanager
def of_a_machine(client: DockerClient, model: Placed, name: str, call: Call) -> Iterator[str]:
    """Make a container, and see that nothing of it is left at the end.

    Args:
        client: The engine.
        model: The service's own container.
        name: What it is to be called.
        call: What it is to run.

    Yields:
        Its id; it is not started yet.
    """
    api: Any = client.api
    configuration = configured(api.inspect_container(model.id), call)
    identity = api.create_container_from_config(configuration, name)["Id"]
    try:
        yield identity
    finally:
        # The engine removes it by itself when it ends, also where we were killed.
        with contextlib.suppress(NotFound, *ENGINE_ERRORS):
            api.remove_container(identity, force=True, v=True)


def configured(model: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Return the configuration of one more container like another.

    Args:
        model: What the engine tells of the other.
        call: What it is to run.
    """
    config = copy.deepcopy(dict(model["Config"]))
    host = copy.deepcopy(dict(model["HostConfig"]))
    labels = dict(config.get("Labels") or {})
    labels[containers.ONE_OFF] = "True"
    config |= {
        "Labels": labels,
        # It would be the other's.
        "Hostname": "" if config.get("Hostname") == str(model["Id"])[:12] else config["Hostname"],
        "Healthcheck": {"Test": ["NONE"]},
        "ExposedPorts": None,
        "Tty": call.has_terminal,
        "OpenStdin": call.has_input,
        "StdinOnce": call.has_input,
        "AttachStdin": call.has_input,
        "AttachStdout": True,
        "AttachStderr": True,
        "Image": model["Image"],
    }
    config |= _called(config, call, entry="Entrypoint", command="Cmd", folder="WorkingDir")
    host |= {
        "PortBindings": {},
        "PublishAllPorts": False,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": True,
        "ContainerIDFile": "",
    }
    networks = {
        network: {key: endpoint[key] for key in _OWN_NETWORK if key in endpoint}
        | {"IPAMConfig": None}
        for network, endpoint in (
            (model.get("NetworkSettings") or {}).get("Networks") or {}
        ).items()
    }
    mode = str(host.get("NetworkMode", ""))
    shares = mode in ("host", "none") or mode.startswith("container:")
    if shares:
        config["Hostname"] = ""
    return {
        **config,
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": {} if shares else networks},
    }


def _called(
    config: Mapping[str, Any],
    call: Call,
    *,
    entry: str,
    command: str,
    folder: str,
) -> dict[str, Any]:
    """Return what a call says otherwise than the service."""
    changed: dict[str, Any] = {}
    if call.words:
        changed[command] = list(call.words)
    if call.entry_point:
        # What the service says behind its own program means nothing to another one.
        changed |= {entry: [call.entry_point], command: list(call.words)}
    if call.user:
        changed["User"] = call.user
    if call.folder:
        changed[folder] = call.folder
    if call.variables:
        named = {text.partition("=")[0] for text in call.variables}
        kept = [t for t in config.get("Env") or () if t.partition("=")[0] not in named]
        changed["Env"] = [*kept, *call.variables]
    return changed


def exit_code(client: DockerClient, identity: str, since: int) -> int | None:
    """Return how a container ended; None where it has not yet.

    It may be removed already: the engine remembers its end for a while all the same.

    Args:
        client: The engine.
        identity: The container.
        since: From when on to look, in seconds since 1970.
    """
    api: Any = client.api
    try:
        state = api.inspect_container(identity)["State"]
    except NotFound:
        filters = {"container": identity, "event": ["die"]}
        found = api.events(since=since, until=int(time.time()) + 1, filters=filters, decode=True)
        codes = [event["Actor"]["Attributes"]["exitCode"] for event in found]
        return int(codes[-1]) if codes else None
    return int(state["ExitCode"]) if state["Status"] in ("exited", "dead") else None


@contextlib.contextmanager
def of_a_swarm(
    session: Session, client: DockerClient, model: Placed, name: str, call: Call
) -> Iterator[str]:
    """Make a service with one task on a node, and see that nothing of it is left at the end.

    Args:
        session: The command.
        client: The node's engine.
        model: A container of the service there.
        name: What it is to be called.
        call: What it is to run.

    Yields:
        The container's id. It runs already, or has ended.

    Raises:
        CommandError: The task does not come to run.
    """
    from moor.swarm import access  # noqa: PLC0415  # for a swarm only

    node_api: Any = client.api
    labels = node_api.inspect_container(model.id)["Config"]["Labels"]
    with access.live_cluster(session, lambda _line: None).engine() as manager:
        api: Any = manager.api
        spec = api.inspect_service(labels["com.docker.swarm.service.id"])["Spec"]
        made = of_a_task(spec, name, call, node=labels["com.docker.swarm.node.id"])
        service = api.create_service(**made)["ID"]
        try:
            yield _container(api, service, name)
        finally:
            with contextlib.suppress(NotFound, *ENGINE_ERRORS):
                api.remove_service(service)


def of_a_task(spec: Mapping[str, Any], name: str, call: Call, *, node: str) -> dict[str, Any]:
    """Return a service with one task like those of another, as the docker SDK takes it.

    Args:
        spec: The other's.
        name: What it is to be called.
        call: What it is to run.
        node: The id of the node that it must be on.
    """
    template = copy.deepcopy(dict(spec["TaskTemplate"]))
    container = dict(template["ContainerSpec"])
    container |= {
        "TTY": call.has_terminal,
        "OpenStdin": call.has_input,
        "Healthcheck": {"Test": ["NONE"]},
    }
    container |= _called(container, call, entry="Command", command="Args", folder="Dir")
    placement = dict(template.get("Placement") or {})
    placement["Constraints"] = [f"node.id=={node}"]
    template |= {
        "ContainerSpec": container,
        "RestartPolicy": {"Condition": "none"},
        "Placement": placement,
    }
    return {
        "name": name,
        "labels": {containers.ONE_OFF: "True"},
        "task_template": template,
        "mode": {"Replicated": {"Replicas": 1}},
    }


def _container(api: Any, service: str, name: str) -> str:  # noqa: ANN401  (the docker SDK's)
    """Wait for the container of a service's only task, and return its id."""
    deadline = time.monotonic() + _TASK_SECONDS
    said = "no task"
    while time.monotonic() < deadline:
        for task in api.tasks(filters={"service": service}):
            status = task.get("Status") or {}
            state = str(status.get("State", ""))
            said = f"{state}: {status.get('Err') or status.get('Message') or ''}"
            identity = str((status.get("ContainerStatus") or {}).get("ContainerID") or "")
            if identity and state in ("running", "complete", "failed"):
                return identity
            if state in ("failed", "rejected", "shutdown", "orphaned"):
                raise CommandError(f"{name}: must run, got {said}")
        time.sleep(_PAUSE_SECONDS)
    raise CommandError(f"{name}: must run within {_TASK_SECONDS:.0f} s, got {said}")
