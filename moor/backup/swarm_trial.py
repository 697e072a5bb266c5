"""The services of a swarm's node on a throw-away machine: a swarm of that machine alone.

Of the swarm the snapshot is of, the machine must be no member: it forgets it before Docker starts.
The services are those of today whose volumes are in the snapshot, each with the image that it had
then. Secrets and configs, which no snapshot has, are what this computer has for them.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.delivery import Vault
from constructs_lib.swarm.content_name import Kind, content_name
from moor import machine_engine
from moor.backup.machine import PLACE
from moor.failure import CommandError
from moor.operation.containers import SERVICE
from moor.recovery import PROJECT
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs_lib.compose.model import ComposeProject, Delivery
    from moor.backup.machine import Machine
    from moor.backup.snapshot import Snapshot
    from moor.session import Session

_NETWORK: Final = "moor-verify"
_KINDS: Final[dict[Kind, tuple[str, str, str]]] = {
    "secret": ("Secrets", "SecretID", "SecretName"),
    "config": ("Configs", "ConfigID", "ConfigName"),
}
_API: Final = "http://localhost/v1.41"
"""As old as Docker 20.10, which knows all of it."""

_FORGET: Final = f"""sudo bash -ec '
rm -rf {PLACE}/docker/swarm
systemctl start docker.service
docker container prune --force --filter label=com.docker.swarm.task.id >/dev/null
docker swarm init --advertise-addr 127.0.0.1 >/dev/null
docker network create --driver overlay {_NETWORK} >/dev/null'"""


def start(session: Session, shell: Machine, snapshot: Snapshot, *, seconds: float) -> list[str]:
    """Start the services whose data is on the machine.

    Args:
        session: The command.
        shell: The machine; Docker is not started.
        snapshot: What is on it.
        seconds: How long Docker may take to start.

    Returns:
        The services' names; none where the snapshot has no volume of theirs.

    Raises:
        CommandError: They cannot be started, or no manager of the swarm answers.
    """
    shell.run(_FORGET, seconds=seconds)
    volumes = set(shell.run("sudo docker volume ls --quiet").split())
    every = [spec for spec in _specs(session) if has_its_volumes(spec, volumes)]
    contents = _Contents(session)
    for spec in every:
        made = {
            kind: {
                name: _made(shell, kind, name, contents.of(kind, name, spec["Name"]))
                for name in names_of(spec, kind)
            }
            for kind in _KINDS
        }
        image = snapshot.images.get(_service(spec), "")
        _ask(shell, "/services/create", alone(spec, image=image, made=made))
    return [_service(spec) for spec in every]


def has_its_volumes(spec: Mapping[str, Any], volumes: Iterable[str]) -> bool:
    """Return whether a service has volumes of its node, and all of them are there.

    Args:
        spec: The service, as the swarm tells it.
        volumes: The names of those that are there.
    """
    mounts = spec["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
    names = {m["Source"] for m in mounts if m.get("Type") == "volume" and m.get("Source")}
    return bool(names) and names <= set(volumes)


def names_of(spec: Mapping[str, Any], kind: Kind) -> list[str]:
    """Return the names in the swarm of a service's secrets or configs.

    Args:
        spec: The service, as the swarm tells it.
        kind: Which of the two.
    """
    part, _, name = _KINDS[kind]
    return [str(one[name]) for one in spec["TaskTemplate"]["ContainerSpec"].get(part) or ()]


def alone(
    spec: Mapping[str, Any], *, image: str, made: Mapping[Kind, Mapping[str, str]]
) -> dict[str, Any]:
    """Return a service for the only node of another swarm, as the engine takes it.

    Args:
        spec: The service, as its own swarm tells it.
        image: The image that it had; that of today where empty.
        made: The ids of its secrets and configs there, by their names.
    """
    template = copy.deepcopy(dict(spec["TaskTemplate"]))
    container = template["ContainerSpec"]
    if re.search("@sha256:", image):
        container["Image"] = image
    for kind, (part, identity, name) in _KINDS.items():
        for one in container.get(part) or ():
            one[identity] = made[kind][one[name]]
    aliases = [alias for n in template.get("Networks") or () for alias in n.get("Aliases") or ()]
    template["Networks"] = [{"Target": _NETWORK, "Aliases": list(dict.fromkeys(aliases))}]
    # It need not fit beside others, and where it stood then counts for nothing.
    template["Placement"] = {}
    template["Resources"] = {"Limits": (template.get("Resources") or {}).get("Limits") or {}}
    return {
        "Name": spec["Name"],
        "Labels": dict(spec.get("Labels") or {}),
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": 1}},
        # Nobody reaches it from outside.
        "EndpointSpec": {"Mode": "dnsrr"},
    }


class _Contents:
    """What is in secrets and configs, by their names in the swarm.

    Args:
        session: The command.
    """

    def __init__(self, session: Session) -> None:
        self._file = session.environment.settings_file
        project: ComposeProject = session.services
        vault = Vault(session.environment.secrets)
        self._found: dict[tuple[Kind, str], bytes] = {}
        for service in project.services.values():
            for delivery in service.deliveries:
                content = _content(project, delivery)
                name = content_name(project.name, delivery.path, vault.digest(content))
                self._found["secret" if delivery.is_secret else "config", name] = content

    def of(self, kind: Kind, name: str, service: str) -> bytes:
        """Return what is in one.

        Raises:
            CommandError: This computer has something else for it now.
        """
        if (kind, name) not in self._found:
            raise CommandError(
                f"{self._file}: services: {service}: {kind} {name}: must be on this computer as it "
                "is in the swarm, got another content; deploy first, or run this where it was "
                "deployed from"
            )
        return self._found[kind, name]


def _content(project: ComposeProject, delivery: Delivery) -> bytes:
    if delivery.source is not None:
        return delivery.source.read_bytes()
    if delivery.variable is not None:
        return (project.contents[delivery.variable] or "").encode()
    return (delivery.content or "").encode()


def _specs(session: Session) -> list[dict[str, Any]]:
    label = f"{PROJECT}={session.services.name}"
    try:
        client = machine_engine.connect(session)
        try:
            api: Any = client.api
            found = [service["Spec"] for service in api.services(filters={"label": label})]
        finally:
            client.close()
    except ENGINE_ERRORS as error:
        raise CommandError(f"swarm: its services must be told, got: {error}") from None
    return sorted(found, key=lambda spec: str(spec["Name"]))


def _service(spec: Mapping[str, Any]) -> str:
    return str((spec.get("Labels") or {}).get(SERVICE, spec["Name"]))


def _made(shell: Machine, kind: Kind, name: str, content: bytes) -> str:
    body = {"Name": name, "Data": base64.b64encode(content).decode()}
    known = {str(one["Spec"]["Name"]): str(one["ID"]) for one in _ask(shell, f"/{kind}s", None)}
    return known.get(name) or str(_ask(shell, f"/{kind}s/create", body)["ID"])


def _ask(shell: Machine, path: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401  (JSON)
    """Ask the machine's engine; what is in a secret goes through standard input alone."""
    posted = "" if body is None else "--header 'Content-Type: application/json' --data @- "
    text = shell.run(
        "sudo curl --silent --show-error --fail-with-body --unix-socket /run/docker.sock "
        f"{posted}{_API}{path}",
        given=b"" if body is None else json.dumps(body).encode(),
    )
    return json.loads(text)
