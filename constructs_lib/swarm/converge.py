"""Waits until a service in a swarm is what it is to be, and shows why it does not get there.

Terraform runs it (`python -m constructs_lib.swarm.converge`) after a service was made or changed.
The provider's own `converge_config` counts wrongly for global services, and may take a service for
good that the swarm is about to roll back.

A task counts when it is of the service's newest version and runs, which it does not while its
healthcheck has not passed; and it has to stay so for as long as the update's `monitor` says.

Source: the Docker CLI's `cli/command/service/progress`; swarmkit's `design/task_model.md`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError, DockerException

from constructs_lib.compose.last_words import LOG_LINES, end_of_output
from constructs_lib.host.endpoint import parser_of
from constructs_lib.host.step_program import StepError, run_step
from constructs_lib.swarm.placement import fits, place_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker import DockerClient

_POLL_SECONDS: Final = 0.5
_MONITOR_SECONDS: Final = 5.0
_PATIENCE_FAILURES: Final = 3
"""How often the tasks in one place may fail before the wait is given up."""
_PENDING_SECONDS: Final = 60
"""How long a task may wait for a node that fits; a port or a volume may still be held."""
_FAILED: Final = ("failed", "rejected", "orphaned")
_BILLION: Final = 1_000_000_000


class NotConvergedError(StepError):
    """A service is not what it is to be, and will not be by itself."""


@dataclass(slots=True, kw_only=True)
class View:
    """A service and its tasks, at one moment.

    Attributes:
        service: What the engine says of the service.
        tasks: Its tasks, those of former versions too.
        nodes: The nodes of the swarm.
    """

    service: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    nodes: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @property
    def newest(self) -> list[Mapping[str, Any]]:
        """The tasks of the service's newest version, which `_up-to-date` of the API has marked."""
        return [task for task in self.tasks if task.get("moor.up-to-date")]

    @property
    def places(self) -> dict[str, list[Mapping[str, Any]]]:
        """The newest tasks by the place that they are in: a slot, or for global ones a node."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for task in sorted(self.newest, key=lambda t: str(t["CreatedAt"])):
            place = str(task.get("Slot") or task.get("NodeID") or "")
            found.setdefault(place, []).append(task)
        return found

    @property
    def wanted(self) -> int:
        """How many tasks there are to be."""
        spec = self.service["Spec"]
        replicated = spec["Mode"].get("Replicated")
        if replicated is not None:
            return int(replicated.get("Replicas") or 0)
        placement = spec["TaskTemplate"].get("Placement") or {}
        constraints = placement.get("Constraints") or []
        places = [place_from(node) for node in self.nodes]
        return sum(1 for place in places if place.is_ready and fits(place, constraints))

    def count(self, state: str) -> int:
        """Return in how many places the last task is in a state, and is meant to be."""
        return sum(
            1
            for tasks in self.places.values()
            if tasks[-1]["Status"]["State"] == state
            and (state == "complete" or tasks[-1]["DesiredState"] == "running")
        )


def look(engine: DockerClient, name: str) -> View:
    """Look at a service.

    Raises:
        NotConvergedError: There is none of that name.
        docker.errors.DockerException: The engine does not do as asked.
    """
    api: Any = engine.api
    try:
        service = api.inspect_service(name)
    except APIError as error:
        raise NotConvergedError(
            f"{name}: must be in the swarm, got {error.explanation or error}"
        ) from None
    tasks = api.tasks(filters={"service": name})
    newest = {t["ID"] for t in api.tasks(filters={"service": name, "_up-to-date": "true"})}
    is_global = "Global" in service["Spec"]["Mode"]
    return View(
        service=service,
        tasks=[{**task, "moor.up-to-date": task["ID"] in newest} for task in tasks],
        nodes=api.nodes() if is_global else [],
    )


def converge(
    view: Callable[[], View],
    *,
    until: str,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait for a service.

    Args:
        view: Looks at it.
        until: `running`, or `completed`: each of its tasks has ended without an error.
        timeout_seconds: How long to wait at most, the time for which it has to stay so left out.
        clock: Tells the time in seconds.
        sleep: Waits some seconds.

    Returns:
        One line that says what has become of it.

    Raises:
        NotConvergedError: It will not get there, or takes too long.
        docker.errors.DockerException: The engine does not do as asked.
        OSError: The engine does not answer.
    """
    begin = clock()
    since: float | None = None
    pending: float | None = None
    while True:
        seen, now = view(), clock()
        name = seen.service["Spec"]["Name"]
        done, problem = _verdict(seen, until)
        if done:
            since = now if since is None else since
            monitor = _monitor(seen) if until == "running" and seen.wanted else 0.0
            if now - since >= monitor:
                count = "no tasks" if not seen.wanted else f"{seen.wanted} of {seen.wanted} tasks"
                return f"{name} has {count} {until} after {now - begin:.1f} s"
        else:
            since = None
        waiting = any(tasks[-1]["Status"]["State"] == "pending" for tasks in seen.places.values())
        pending = (now if pending is None else pending) if waiting else None
        if not problem and pending is not None and now - pending > _PENDING_SECONDS:
            problem = f"must get a node within {_PENDING_SECONDS} s"
        if not problem and not done and now - begin > timeout_seconds:
            problem = f"must be {until} within {timeout_seconds:.0f} s"
        if problem:
            state = "complete" if until == "completed" else "running"
            told = f"got {seen.count(state)} of {seen.wanted} tasks"
            raise NotConvergedError("\n".join([f"{name}: {problem}, {told}", *_errors(seen)]))
        sleep(_POLL_SECONDS)


def _verdict(seen: View, until: str) -> tuple[bool, str]:
    update = seen.service.get("UpdateStatus") or {}
    state = update.get("State", "")
    said = update.get("Message", "")
    if state in ("paused", "rollback_paused"):
        return False, f"must be updated, got an update that the swarm has stopped ({said})"
    if state == "rollback_completed":
        return False, f"must be updated, got it rolled back to what it was before ({said})"
    hopeless = _hopeless(seen)
    if hopeless:
        return False, f"must be {until}, got {hopeless}"
    if until == "completed":
        return seen.count("complete") >= seen.wanted, ""
    running = seen.count("running")
    if _policy(seen).get("Condition", "any") != "any":
        # One that ends without an error, and is not started again, has done what it was to do.
        running += seen.count("complete")
    return state not in ("updating", "rollback_started") and running >= seen.wanted, ""


def _hopeless(seen: View) -> str:
    """Tell why the tasks in some place will not get there; nothing where they may."""
    for tasks in seen.places.values():
        last = tasks[-1]
        failed = [task for task in tasks if task["Status"]["State"] in _FAILED]
        if last in failed and last["DesiredState"] != "running" and _is_given_up(seen, failed):
            return "a task that failed and is not tried again"
        if len(failed) >= _PATIENCE_FAILURES and last["Status"]["State"] != "running":
            return "tasks that fail again and again"
    return ""


def _policy(seen: View) -> Mapping[str, Any]:
    return seen.service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}


def _is_given_up(seen: View, failed: Sequence[Mapping[str, Any]]) -> bool:
    policy = _policy(seen)
    tries = int(policy.get("MaxAttempts") or 0)
    return policy.get("Condition") == "none" or bool(tries and len(failed) > tries)


def _monitor(seen: View) -> float:
    config = seen.service["Spec"].get("UpdateConfig") or {}
    monitor = config.get("Monitor")
    return _MONITOR_SECONDS if not monitor else float(monitor) / _BILLION


def _errors(seen: View) -> list[str]:
    """Tell what the tasks themselves say, each thing once."""
    names = {node["ID"]: place_from(node).name for node in seen.nodes}
    told: dict[str, int] = {}
    for task in sorted(seen.newest, key=lambda t: str(t["CreatedAt"])):
        status = task["Status"]
        container = status.get("ContainerStatus") or {}
        error = status.get("Err") or (
            status.get("Message", "") if status["State"] == "pending" else ""
        )
        if not error and status["State"] not in _FAILED:
            continue
        code = container.get("ExitCode")
        ended = f" (code {code})" if code else ""
        node = names.get(str(task.get("NodeID") or ""), str(task.get("NodeID") or "")[:12])
        on = f" on {node}" if node else ""
        line = f"  {status['State']}{on}: {' '.join(str(error).split()) or 'ended'}{ended}"
        told[line] = told.get(line, 0) + 1
    return (
        [
            "its tasks:",
            *(f"{line}, {count} times" if count > 1 else line for line, count in told.items()),
        ]
        if told
        else []
    )


def last_words(engine: DockerClient, name: str) -> list[str]:
    """Return what the tasks of a service say of their failures, and the end of their output.

    Args:
        engine: The engine of a manager.
        name: The service's name.

    Raises:
        NotConvergedError: There is no such service.
        docker.errors.DockerException: The engine does not do as asked.
    """
    return [*_errors(look(engine, name)), *_log(engine, name)]


def _log(engine: DockerClient, name: str) -> list[str]:
    """Return the end of what a service's tasks have written, where its log can be read."""
    api: Any = engine.api
    try:
        chunks = api.service_logs(name, stdout=True, stderr=True, tail=LOG_LINES, follow=False)
        data = chunks if isinstance(chunks, bytes) else b"".join(chunks)
    except (DockerException, OSError, ValueError):
        return []
    return end_of_output(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait for a service.

    Returns:
        The exit status.
    """
    parser = parser_of("constructs_lib.swarm.converge")
    parser.add_argument("--until", choices=["running", "completed"], required=True)
    parser.add_argument("--timeout", type=float, required=True)
    parser.add_argument("name")
    options = parser.parse_args(arguments)

    def converged(engine: DockerClient) -> list[str]:
        def view() -> View:
            return look(engine, options.name)

        try:
            return [converge(view, until=options.until, timeout_seconds=options.timeout)]
        except NotConvergedError as error:
            raise StepError("\n".join([str(error), *_log(engine, options.name)])) from None

    return run_step(options, converged)


if __name__ == "__main__":
    sys.exit(main())
