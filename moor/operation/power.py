"""Services that are stopped, started or restarted by hand.

On one machine that is done to their containers. In a swarm, where tasks are made anew whatever
happens to them, it is done to the services: without replicas, with as many as the Compose file
says, or with other tasks of the same kind.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError, WrongUseError
from moor.operation import containers, engines
from moor.operation.containers import NAMESPACE
from moor.operation.hosts import hosts, is_swarm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moor.operation.containers import Placed
    from moor.session import Session

_AT_ONCE: Final = 8


class Action(StrEnum):
    """What is done."""

    STOP = "stop"
    START = "start"
    RESTART = "restart"


DONE: Final = {Action.STOP: "stopped", Action.START: "started", Action.RESTART: "restarted"}


def act(session: Session, services: Sequence[str], action: Action) -> list[str]:
    """Stop, start or restart services.

    Args:
        session: The command, which holds the environment's lock.
        services: The services.
        action: What is done.

    Returns:
        What was done, a line each.

    Raises:
        WrongUseError: There is no such service, or it cannot be stopped.
        CommandError: There is nothing of a service, or an engine refuses.
    """
    containers.known(session, services)
    if is_swarm(hosts(session.environment)):
        return _in_a_swarm(session, services, action)
    found = containers.find(session, services)
    missing = [name for name in services if not any(one.service == name for one in found)]
    if missing:
        raise CommandError(
            "\n".join(
                f"service {name}: must have a container, got none; `moor up {name}` makes it"
                for name in missing
            )
        )
    # In the order that was typed, those of one service side by side.
    return [
        line
        for name in services
        for line in each(session, [one for one in found if one.service == name], action)
    ]


def each(session: Session, found: Sequence[Placed], action: Action) -> list[str]:
    """Stop, start or restart containers, side by side.

    Args:
        session: The command.
        found: The containers.
        action: What is done.

    Returns:
        What was done, a line each.

    Raises:
        CommandError: An engine does not answer, or refuses.
    """

    def change(one: Placed) -> str:
        with engines.engine(session.environment, one.host) as client:
            api: Any = client.api
            # A container may take as long to end as its file says, which the engine knows.
            api.timeout = None
            if action is Action.STOP:
                api.stop(one.id)
            elif action is Action.START:
                api.start(one.id)
            else:
                api.restart(one.id, timeout=None)
        return f"{one.name}: {DONE[action]}"

    if not found:
        return []
    with ThreadPoolExecutor(min(len(found), _AT_ONCE)) as pool:
        return list(pool.map(change, found))


def _in_a_swarm(session: Session, services: Sequence[str], action: Action) -> list[str]:
    from moor.swarm import access  # noqa: PLC0415  # for a swarm only

    project = session.services.name
    told = []
    with access.live_cluster(session, lambda _line: None).engine() as client:
        api: Any = client.api
        there = {
            str(item["Spec"]["Name"]).removeprefix(f"{project}_"): item
            for item in api.services(filters={"label": f"{NAMESPACE}={project}"})
        }
        for name in services:
            if name not in there:
                raise CommandError(
                    f"service {name}: must be in the swarm, got nothing of it; `moor up {name}` "
                    "makes it"
                )
            new = changed(there[name]["Spec"], name, action, _replicas(session, name))
            version = there[name]["Version"]["Index"]
            api.update_service(there[name]["ID"], version, fetch_current_spec=True, **new)
            told.append(f"{name}: {DONE[action]}")
    return told


def _replicas(session: Session, name: str) -> int:
    return session.services.services[name].replicas


def changed(spec: Mapping[str, Any], name: str, action: Action, replicas: int) -> dict[str, Any]:
    """Return what of a swarm's service changes with an action, as the docker SDK takes it.

    Args:
        spec: The service, as the swarm tells it.
        name: Its name, for the error.
        action: What is done.
        replicas: How many tasks the Compose file asks for.

    Raises:
        WrongUseError: A service that runs on every node is to be stopped or started.
    """
    if action is Action.RESTART:
        template = dict(spec["TaskTemplate"])
        template["ForceUpdate"] = int(template.get("ForceUpdate") or 0) + 1
        return {"task_template": template}
    if "Replicated" not in spec["Mode"]:
        raise WrongUseError(
            f"service {name}: must have replicas to be stopped or started, got one that runs on "
            "each node; `moor node drain NODE` takes a node's tasks away"
        )
    return {"mode": {"Replicated": {"Replicas": replicas if action is Action.START else 0}}}
