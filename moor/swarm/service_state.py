"""Whether all services run in a swarm that the configuration asks for, with all their replicas."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from moor.health import Expected, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs_lib.compose.model import ComposeProject

NAMESPACE: Final = "com.docker.stack.namespace"
"""The label by which `docker stack`, too, knows what belongs together."""

_LOGS: Final = "docker service logs"
_DIGEST_SHOWN: Final = 12
_ENDED: Final = frozenset({"complete", "shutdown"})


def expectations(project: ComposeProject) -> list[Expected]:
    """Return the services that a configuration asks for.

    Where they answer is known when it is known where they run.

    Args:
        project: The services.
    """
    return [
        Expected(
            name=f"{project.name}_{service.name}",
            service=service.name,
            config_hash="",
            ends=_may_end(project, service.name),
            logs=_LOGS,
        )
        for service in project.services.values()
    ]


def rows(
    expected: Iterable[Expected],
    services: Iterable[Mapping[str, Any]],
    tasks: Iterable[Mapping[str, Any]],
    *,
    ports: Mapping[str, int] | None = None,
    places: Mapping[str, str] | None = None,
) -> list[Row]:
    """Compare what should be there with what is, apart from its answers.

    Args:
        expected: What should be there.
        services: What the engine says of the project's services, as it lists them.
        tasks: The same of all tasks, those that are over among them.
        ports: The TCP ports that services publish, by their names.
        places: The nodes' addresses, by their ids in the swarm.
    """
    there = {str(service["Spec"]["Name"]): service for service in services}
    by_service: dict[str, list[Mapping[str, Any]]] = {}
    for task in tasks:
        by_service.setdefault(str(task.get("ServiceID")), []).append(task)
    found = []
    for one in expected:
        service = there.get(one.name)
        if service is None:
            problem = "must be there, got nothing"
            found.append(Row(expected=one, state="missing", verdict="bad", problem=problem))
        else:
            mine = by_service.get(str(service["ID"]), [])
            url = _url((ports or {}).get(one.service), mine, places or {})
            found.append(_row(replace(one, url=url), service, mine))
    return found


def _url(port: int | None, tasks: list[Mapping[str, Any]], places: Mapping[str, str]) -> str:
    """Return where a service answers on one of the nodes that run it; empty where nowhere."""
    there = {str(t.get("NodeID")) for t in tasks if _state(t) == "running"}
    addresses = [address for node, address in places.items() if node in there]
    return f"http://{addresses[0]}:{port}/" if port is not None and addresses else ""


def _row(expected: Expected, service: Mapping[str, Any], tasks: list[Mapping[str, Any]]) -> Row:
    template = service["Spec"].get("TaskTemplate") or {}
    image = str((template.get("ContainerSpec") or {}).get("Image", ""))
    meant = [task for task in tasks if task.get("DesiredState") == "running"]
    wanted = _wanted(service, meant)
    running = sum(_state(task) == "running" for task in meant)
    update = str((service.get("UpdateStatus") or {}).get("State", ""))
    told = _shown(image)
    life: dict[str, Any] = {"restarts": _failed(tasks), "since": _since(meant or tasks)}
    if expected.ends and not running and tasks and all(_state(t) in _ENDED for t in tasks):
        return Row(expected=expected, state="completed", verdict="good", image=told, **life)
    state = f"running {running} of {wanted}" if running else f"none of {wanted}"
    if "rollback" in update or update == "paused":
        message = str((service.get("UpdateStatus") or {}).get("Message", "")).strip()
        return Row(
            expected=expected,
            state=f"{state}, {update.replace('_', ' ')}",
            verdict="bad",
            image=told,
            **life,
            problem=f"must be of the present configuration, got {update}: {message}",
        )
    if running >= wanted:
        return Row(expected=expected, state=state, verdict="good", image=told, **life)
    reasons = Counter(_reason(task) for task in meant if _state(task) != "running")
    reason = f" ({reasons.most_common(1)[0][0]})" if reasons else ""
    return Row(
        expected=expected,
        state=state,
        verdict="pending",
        image=told,
        **life,
        problem=f"must run {wanted} times, got {running}{reason}",
    )


def _failed(tasks: list[Mapping[str, Any]]) -> int:
    """Return how many tasks have failed, of those that the swarm still remembers."""
    return sum(_state(task) in ("failed", "rejected", "orphaned") for task in tasks)


def _since(tasks: list[Mapping[str, Any]]) -> str:
    """Return when the last of some tasks came into its state; empty for none."""
    return max((str((t.get("Status") or {}).get("Timestamp") or "") for t in tasks), default="")


def _wanted(service: Mapping[str, Any], meant: list[Mapping[str, Any]]) -> int:
    """Return how many tasks there should be; of a global service the swarm itself knows."""
    replicated = (service["Spec"].get("Mode") or {}).get("Replicated")
    return len(meant) if replicated is None else int(replicated.get("Replicas") or 0)


def _may_end(project: ComposeProject, name: str) -> bool:
    return any(
        d.service == name and d.condition == "service_completed_successfully"
        for other in project.services.values()
        for d in other.depends_on
    )


def _state(task: Mapping[str, Any]) -> str:
    return str((task.get("Status") or {}).get("State", ""))


def _reason(task: Mapping[str, Any]) -> str:
    status = task.get("Status") or {}
    said = " ".join(str(status.get("Err") or status.get("Message") or "").split())
    return f"{_state(task)}: {said}" if said else _state(task)


def _shown(image: str) -> str:
    name, _, digest = image.partition("@sha256:")
    is_tagged = ":" in name.rpartition("/")[2]
    return f"{name}@{digest[:_DIGEST_SHOWN]}" if digest and not is_tagged else name
