"""The containers of the services, wherever they run.

In a swarm a manager tells which node has which container, and that node's own engine is asked
about it: its output can be read and its programs entered there only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moor import typed
from moor.failure import CommandError, WrongUseError
from moor.operation import engines
from moor.operation.hosts import hosts, is_swarm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host
    from moor.session import Session

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
NUMBER: Final = "com.docker.compose.container-number"
ONE_OFF: Final = "com.docker.compose.oneoff"
"""The labels by which Compose, too, knows its containers."""

NAMESPACE: Final = "com.docker.stack.namespace"
_AT_ONCE: Final = 16
_DIGEST_SHOWN: Final = 12
_NO_TAG: Final = "<none>:<none>"
_NUMBER: Final = re.compile(r"-(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A container of a service.

    Attributes:
        host: The machine that it is on.
        id: Its id.
        service: The service's name.
        number: Which of the service's containers it is, from 1; of a global service 0.
        name: The container's own name.
        state: The engine's word: `running`, `exited`, ...
        status: What the engine says of it in a few words, such as `Up 3 minutes (healthy)`.
        image: What its image is called.
        ports: The machine's ports that it is published on, such as `80->8080/tcp`.
        created: When it was made, in seconds since 1970.
        is_one_off: Whether it is not the service's own, but of a `moor run`.
    """

    host: Host
    id: str
    service: str
    number: int
    name: str
    state: str
    status: str
    image: str = ""
    ports: tuple[str, ...] = ()
    created: int = 0
    is_one_off: bool = False

    @property
    def label(self) -> str:
        """What it is called on a screen: its service and number, and its node in a swarm."""
        number = f"-{self.number}" if self.number else ""
        node = f"@{self.host.name}" if self.host.private_address else ""
        return f"{self.service}{number}{node}"

    @property
    def is_running(self) -> bool:
        """Whether it can be entered."""
        return self.state == "running"


def known(session: Session, services: Iterable[str]) -> None:
    """Refuse names that no service has.

    Args:
        session: The command.
        services: The names.

    Raises:
        WrongUseError: There is no such service; with the nearest names.
    """
    there = session.services.services
    wrong = [typed.unknown("service", name, there) for name in services if name not in there]
    if wrong:
        raise WrongUseError("\n".join(wrong))


def find(session: Session, services: Sequence[str] = (), *, one_offs: bool = False) -> list[Placed]:
    """Find the containers of services, in the order of the services and their numbers.

    Args:
        session: The command.
        services: The services' names; all where empty.
        one_offs: Whether those of `moor run` are found, too.

    Returns:
        The containers that there are, whether or not they run. Of a swarm's tasks those that are
        to run now.

    Raises:
        WrongUseError: There is no such service.
        CommandError: Nothing is deployed, or an engine does not answer.
    """
    known(session, services)
    there = hosts(session.environment)
    project = session.services.name
    if is_swarm(there):
        found = _of_a_swarm(session, there, project)
    else:
        found = _of_a_machine(session.environment, there[0], project)
    order = {name: place for place, name in enumerate(session.services.services)}
    wanted = [
        one
        for one in found
        if (not services or one.service in services) and (one_offs or not one.is_one_off)
    ]
    return sorted(wanted, key=lambda c: (order.get(c.service, len(order)), c.number, c.host.name))


def choose(
    session: Session, service: str, *, node: str | None = None, index: int | None = None
) -> Placed:
    """Choose a running container of a service.

    Args:
        session: The command.
        service: The service.
        node: The node that it must be on.
        index: Which of the containers, by its number.

    Raises:
        WrongUseError: There is no such service, or no such container.
        CommandError: None of them runs.
    """
    found = find(session, [service])
    running = [one for one in found if one.is_running]
    where = ""
    if node is not None:
        running = [one for one in running if one.host.name == node]
        where += f" on {node}"
    if index is not None:
        running = [one for one in running if one.number == index]
        where += f" with number {index}"
    if running:
        return running[0]
    got = ", ".join(f"{one.label} {one.status or one.state}" for one in found) or "no container"
    remedy = typed.program(session.environment, f"start {service}")
    if where and any(one.is_running for one in found):
        remedy_text = "choose one of these"
    else:
        remedy_text = f"`{remedy}` starts it, and `moor logs {service}` tells why it ended"
    raise CommandError(f"service {service}: must run{where}, got {got}; {remedy_text}")


def _of_a_machine(environment: Environment, host: Host, project: str) -> list[Placed]:
    with engines.engine(environment, host) as client:
        listed = client.api.containers(all=True, filters={"label": f"{PROJECT}={project}"})
        names = {str(image["Id"]): _image(image) for image in client.api.images()}
    return [_placed(host, item, names) for item in listed]


def _image(image: Mapping[str, Any]) -> str:
    """Return what an image is called: what is pulled by its digest has no other name."""
    if tags := [tag for tag in image.get("RepoTags") or () if tag != _NO_TAG]:
        return str(tags[0])
    repository, _, digest = str((image.get("RepoDigests") or [""])[0]).partition("@sha256:")
    return f"{repository}@{digest[:_DIGEST_SHOWN]}" if digest else ""


def _placed(host: Host, item: Mapping[str, Any], names: Mapping[str, str]) -> Placed:
    labels = item.get("Labels") or {}
    name = str((item.get("Names") or [""])[0]).lstrip("/")
    number = str(labels.get(NUMBER, "")) or (found[1] if (found := _NUMBER.search(name)) else "1")
    return Placed(
        host=host,
        id=str(item["Id"]),
        service=str(labels.get(SERVICE, name)),
        number=int(number) if number.isdigit() else 1,
        name=name,
        state=str(item.get("State", "")),
        status=str(item.get("Status", "")),
        image=names.get(str(item.get("ImageID", ""))) or str(item.get("Image", "")),
        ports=_ports(item.get("Ports") or ()),
        created=int(item.get("Created") or 0),
        is_one_off=str(labels.get(ONE_OFF, "")) == "True",
    )


def _ports(listed: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    found = (
        f"{port['PublicPort']}->{port['PrivatePort']}/{port.get('Type', 'tcp')}"
        for port in listed
        if port.get("PublicPort")
    )
    # Each stands there twice, for both versions of IP.
    return tuple(dict.fromkeys(found))


def _of_a_swarm(session: Session, there: tuple[Host, ...], project: str) -> list[Placed]:
    from constructs_lib.swarm.entries import entries  # noqa: PLC0415  # for a swarm only
    from moor.swarm import access  # noqa: PLC0415  # likewise

    by_name = {host.name: host for host in there}
    with access.live_cluster(session, lambda _line: None).engine() as client:
        api: Any = client.api
        places = {entry.id: by_name.get(entry.name) for entry in entries(client)}
        services = {
            item["ID"]: str(item["Spec"]["Name"]).removeprefix(f"{project}_")
            for item in api.services(filters={"label": f"{NAMESPACE}={project}"})
        }
        tasks = [t for t in api.tasks() if t.get("ServiceID") in services]
    wanted: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for task in tasks:
        host = places.get(str(task.get("NodeID", "")))
        status = (task.get("Status") or {}).get("ContainerStatus") or {}
        if host is not None and status.get("ContainerID") and task["DesiredState"] == "running":
            wanted[host.name][status["ContainerID"]] = task
    if not wanted:
        return []

    def ask(name: str) -> list[Placed]:
        return _on_a_node(session.environment, by_name[name], wanted[name], services)

    with ThreadPoolExecutor(min(len(wanted), _AT_ONCE)) as pool:
        return [one for found in pool.map(ask, wanted) for one in found]


def _on_a_node(
    environment: Environment,
    host: Host,
    tasks: Mapping[str, Mapping[str, Any]],
    services: Mapping[str, str],
) -> list[Placed]:
    try:
        with engines.engine(environment, host) as client:
            there = {item["Id"]: item for item in client.api.containers(all=True)}
    except engines.UnreachableError as error:
        # The others are to be seen all the same.
        there = {}
        unreachable: str = f"its node does not answer ({error.problem})"
    else:
        unreachable = ""
    found = []
    for identity, task in tasks.items():
        item = there.get(identity, {})
        state = str((task.get("Status") or {}).get("State", ""))
        found.append(
            Placed(
                host=host,
                id=identity,
                service=services[task["ServiceID"]],
                number=int(task.get("Slot") or 0),
                name=str((item.get("Names") or [""])[0]).lstrip("/"),
                state="unknown" if unreachable else str(item.get("State", state)),
                status=unreachable or str(item.get("Status", state)),
                image=str(item.get("Image", "")).partition("@")[0],
                ports=_ports(item.get("Ports") or ()),
                created=int(item.get("Created") or 0),
            )
        )
    return found
