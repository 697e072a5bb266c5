"""The wait for a service of a swarm, and what it says of one that does not get there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.swarm.converge import NotConvergedError, View, converge

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 10**9


def service(
    *,
    replicas: int | None = 2,
    update: str = "",
    condition: str = "any",
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    return {
        "Spec": {
            "Name": "shop_web",
            "Mode": {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {"RestartPolicy": {"Condition": condition, **more}, "Placement": {}},
        },
        **({"UpdateStatus": {"State": update, "Message": "said so"}} if update else {}),
    }


def task(slot: int, state: str, *, desired: str = "running", at: int = 0, error: str = "") -> Any:  # noqa: ANN401
    return {
        "ID": f"{slot}-{at}-{state}",
        "Slot": slot,
        "NodeID": "n1",
        "CreatedAt": f"2026-01-01T00:00:{at:02d}Z",
        "DesiredState": desired,
        "Status": {"State": state, "Err": error},
        "moor.up-to-date": True,
    }


def run(*views: View, until: str = "running", timeout: float = 30) -> str:
    """Show one view a second, the last one for ever."""
    now = [0.0]
    shown: Iterator[View] = iter(views)
    last = [views[0]]

    def look() -> View:
        last[0] = next(shown, last[0])
        return last[0]

    def sleep(_: float) -> None:
        now[0] += 1

    return converge(look, until=until, timeout_seconds=timeout, clock=lambda: now[0], sleep=sleep)


def view(spec: dict[str, Any], *tasks: dict[str, Any], **more: Any) -> View:  # noqa: ANN401
    return View(service=spec, tasks=tasks, **more)


def test_it_waits_until_all_run_and_stay_so() -> None:
    said = run(
        view(service(), task(1, "running")),
        view(service(), task(1, "running"), task(2, "starting")),
        view(service(), task(1, "running"), task(2, "running")),
    )
    assert said == "shop_web has 2 of 2 tasks running after 7.0 s"


def test_one_that_falls_over_again_begins_anew() -> None:
    both = view(service(), task(1, "running"), task(2, "running"))
    said = run(both, both, view(service(), task(1, "running"), task(2, "starting", at=1)), both)
    assert said == "shop_web has 2 of 2 tasks running after 8.0 s"


def test_an_update_that_goes_on_is_waited_for() -> None:
    tasks = [task(1, "running"), task(2, "running")]
    said = run(view(service(update="updating"), *tasks), view(service(update="completed"), *tasks))
    assert said == "shop_web has 2 of 2 tasks running after 6.0 s"


def test_a_global_service_has_a_task_on_each_node_that_fits() -> None:
    def node(name: str, role: str, state: str) -> dict[str, Any]:
        return {
            "ID": name,
            "Spec": {"Role": role, "Availability": "active"},
            "Status": {"State": state},
        }

    spec = service(replicas=None)
    spec["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": ["node.role==worker"]}
    nodes = [
        node("a", "worker", "ready"),
        node("b", "worker", "ready"),
        node("c", "worker", "down"),
        node("d", "manager", "ready"),
    ]
    assert view(spec, nodes=nodes).wanted == 2


def test_no_replicas_are_there_at_once() -> None:
    assert run(view(service(replicas=0))) == "shop_web has no tasks running after 0.0 s"


def test_a_task_that_ended_well_and_is_not_started_again_counts() -> None:
    spec = service(replicas=1, condition="on-failure")
    done = task(1, "complete", desired="shutdown")
    assert run(view(spec, done)) == "shop_web has 1 of 1 tasks running after 5.0 s"
    said = run(view(spec, done), until="completed")
    assert said == "shop_web has 1 of 1 tasks completed after 0.0 s"


def fails(*views: View, until: str = "running") -> list[str]:
    with pytest.raises(NotConvergedError) as caught:
        run(*views, until=until)
    return str(caught.value).splitlines()


def test_waiting_fails_when_tasks_fail_again_and_again() -> None:
    failed = [
        task(1, "rejected", desired="shutdown", at=at, error="No such image: a@sha256:1")
        for at in range(3)
    ]
    assert fails(view(service(replicas=1), *failed, task(1, "preparing", at=4))) == [
        "shop_web: must be running, got tasks that fail again and again, got 0 of 1 tasks",
        "its tasks:",
        "  rejected on n1: No such image: a@sha256:1, 3 times",
    ]


def test_waiting_fails_when_a_task_is_not_tried_again() -> None:
    failed = task(1, "failed", desired="shutdown", error="task: non-zero exit (1)")
    assert fails(view(service(replicas=1, condition="none"), failed), until="completed") == [
        (
            "shop_web: must be completed, got a task that failed and is not tried again, got 0 of "
            "1 "
            "tasks"
        ),
        "its tasks:",
        "  failed on n1: task: non-zero exit (1)",
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("paused", "must be updated, got an update that the swarm has stopped (said so)"),
        (
            "rollback_completed",
            "must be updated, got it rolled back to what it was before (said so)",
        ),
    ],
)
def test_waiting_fails_when_the_swarm_gives_an_update_up(state: str, expected: str) -> None:
    tasks = [task(1, "running"), task(2, "running")]
    assert fails(view(service(update=state), *tasks)) == [f"shop_web: {expected}, got 2 of 2 tasks"]


def test_waiting_fails_when_no_node_fits() -> None:
    pending = task(1, "pending", error="no suitable node (scheduling constraints not satisfied)")
    pending["NodeID"] = ""
    seen = view(service(replicas=1), pending)
    with pytest.raises(NotConvergedError) as caught:
        run(seen, timeout=600)
    assert str(caught.value).splitlines() == [
        "shop_web: must get a node within 60 s, got 0 of 1 tasks",
        "its tasks:",
        "  pending: no suitable node (scheduling constraints not satisfied)",
    ]


def test_waiting_fails_when_it_takes_too_long() -> None:
    assert fails(view(service(replicas=1), task(1, "starting"))) == [
        "shop_web: must be running within 30 s, got 0 of 1 tasks"
    ]
