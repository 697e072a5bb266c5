"""What runs of a swarm's services, and the nodes as they are shown."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fake_cluster import manager, worker
from rich.console import Console

from constructs_lib.compose.model import ComposeProject, Dependency, Service
from moor import health
from moor.health import Expected
from moor.outputs import Node
from moor.swarm import node_view, service_state
from moor.swarm.roll import RESTING

WEB = Expected(name="shop_web", service="web", config_hash="", logs="docker service logs")
JOB = Expected(name="shop_job", service="job", config_hash="", ends=True)


def service(name: str = "shop_web", replicas: int | None = 2, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    image = f"registry.example/web:1@sha256:{'0123456789abcdef' * 4}"
    template = {"ContainerSpec": {"Image": image}}
    spec = {"Name": name, "Mode": mode, "TaskTemplate": template}
    return {"ID": f"id-{name}", "Spec": spec, **more}


def task(
    state: str = "running", *, of: str = "shop_web", desired: str = "running", error: str = ""
) -> dict[str, Any]:
    return {
        "ServiceID": f"id-{of}",
        "DesiredState": desired,
        "Status": {"State": state, **({"Err": error} if error else {})},
    }


def seen(
    *tasks: dict[str, Any], there: dict[str, Any] | None = None, expected: Expected = WEB
) -> tuple[str, str, str]:
    services = [service()] if there is None else [there]
    (row,) = service_state.rows([expected], services, tasks)
    return row.state, row.verdict, row.problem


def test_what_the_configuration_asks_for() -> None:
    waits = (Dependency(service="job", condition="service_completed_successfully"),)
    project = ComposeProject(
        name="shop",
        file="compose.yaml",
        services={
            "web": Service(name="web", depends_on=waits),
            "job": Service(name="job"),
        },
        networks={},
        volumes={},
    )
    assert service_state.expectations(project) == [
        Expected(name="shop_web", service="web", config_hash="", logs="docker service logs"),
        Expected(
            name="shop_job", service="job", config_hash="", ends=True, logs="docker service logs"
        ),
    ]


def test_all_replicas_run() -> None:
    assert seen(task(), task(), task("shutdown", desired="shutdown")) == (
        "running 2 of 2",
        "good",
        "",
    )


def test_tasks_of_another_service_do_not_count() -> None:
    assert seen(task(), task(of="shop_other"))[0] == "running 1 of 2"


def test_too_few_tell_the_reason_of_most_of_them() -> None:
    full = "no suitable node (insufficient resources on 2 nodes)"
    assert seen(task(), task("pending", error=full)) == (
        "running 1 of 2",
        "pending",
        f"must run 2 times, got 1 (pending: {full})",
    )
    assert seen() == ("none of 2", "pending", "must run 2 times, got 0")


def test_a_service_that_is_not_there() -> None:
    assert seen(there=service("other")) == ("missing", "bad", "must be there, got nothing")


def test_of_a_global_service_the_swarm_knows_how_many() -> None:
    assert seen(task(), task(), task(), there=service(replicas=None))[0] == "running 3 of 3"
    assert seen(task(), task("starting"), there=service(replicas=None))[:2] == (
        "running 1 of 2",
        "pending",
    )


@pytest.mark.parametrize("state", ["paused", "rollback_started", "rollback_completed"])
def test_an_update_that_the_swarm_gave_up_is_none(state: str) -> None:
    there = service(UpdateStatus={"State": state, "Message": "update paused due to failure"})
    told, verdict, problem = seen(task(), task(), there=there)
    assert (told, verdict) == (f"running 2 of 2, {state.replace('_', ' ')}", "bad")
    assert problem == (
        f"must be of the present configuration, got {state}: update paused due to failure"
    )


def test_what_others_wait_for_may_have_ended() -> None:
    there = service("shop_job", replicas=1)
    ended = task("complete", of="shop_job", desired="shutdown")
    assert seen(ended, there=there, expected=JOB) == ("completed", "good", "")
    failed = task("failed", of="shop_job", desired="shutdown")
    assert seen(ended, failed, there=there, expected=JOB)[1] == "pending"


def test_none_wanted_none_there_is_right() -> None:
    assert seen(there=service(replicas=0)) == ("none of 0", "good", "")


def test_a_service_answers_on_a_node_that_runs_it() -> None:
    places = {"n1": "192.0.2.7", "n2": "192.0.2.8", "n3": "192.0.2.9"}
    tasks = [
        {**task("starting"), "NodeID": "n1"},
        {**task(), "NodeID": "n3"},
        {**task(), "NodeID": "n2"},
    ]

    def url(ports: dict[str, int], *found: dict[str, Any]) -> str:
        (row,) = service_state.rows([WEB], [service()], found, ports=ports, places=places)
        return row.expected.url

    assert url({"web": 80}, *tasks) == "http://192.0.2.8:80/"
    assert url({}, *tasks) == ""
    assert url({"web": 80}, tasks[0]) == ""


def test_a_tag_tells_more_than_a_digest() -> None:
    (row,) = service_state.rows([WEB], [service()], [])
    assert row.image == "registry.example/web:1"
    there = service()
    container = there["Spec"]["TaskTemplate"]["ContainerSpec"]
    container["Image"] = container["Image"].replace("registry.example/web:1", "192.0.2.1:5000/web")
    (row,) = service_state.rows([WEB], [there], [])
    assert row.image == "192.0.2.1:5000/web@0123456789ab"


def test_a_failure_names_the_command_that_shows_more() -> None:
    rows = service_state.rows([WEB], [service()], [task()])
    assert list(health.problems(rows, seconds=0)) == [
        "shop_web: must run 2 times, got 1; look with: docker service logs shop_web"
    ]


# Nodes

NODES = {
    name: Node(public_ip=f"192.0.2.{number}", private_ip="", instance_id=f"i-{number}", ssh="")
    for number, name in enumerate(("manager-1", "web-1", "web-2"), start=7)
}
MEMBERS = [
    worker(
        "web-1",
        availability="drain",
        labels={RESTING: "yes", "tier": "web", "empty": "", "moor.volume.shop.data": "yes"},
    ),
    manager("manager-1", leads=True),
    worker("stray", state="down"),
]


def test_nodes_are_shown_with_those_that_are_not_in_the_swarm() -> None:
    text = io.StringIO()
    node_view.show(MEMBERS, NODES, Console(file=text, width=200, highlight=False, soft_wrap=True))
    assert [" ".join(line.split()) for line in text.getvalue().splitlines()] == [
        "node role state availability address machine labels",
        "manager-1 manager, leads ready active 192.0.2.7 i-7",
        "stray worker down active",
        "web-1 worker ready drain for a while 192.0.2.8 i-8 empty tier=web moor.volume.shop.data",
        "web-2 not in the swarm 192.0.2.9 i-9",
    ]


def test_a_manager_that_is_not_reached_is_told() -> None:
    text = io.StringIO()
    lost = manager("manager-1", lost=True)
    node_view.show([lost], {}, Console(file=text, width=200, highlight=False, soft_wrap=True))
    assert "down, not reached" in text.getvalue()


def test_nodes_for_a_script() -> None:
    rows = node_view.as_json(MEMBERS, NODES)
    assert [row["name"] for row in rows] == ["manager-1", "stray", "web-1", "web-2"]
    assert rows[2] == {
        "name": "web-1",
        "role": "worker",
        "leader": False,
        "reachable": False,
        "state": "ready",
        "availability": "drain",
        "resting": True,
        "public_ip": "192.0.2.8",
        "instance_id": "i-8",
        "volumes": ["shop.data"],
        "labels": {"empty": "", "tier": "web"},
    }
    assert rows[3]["state"] == "not in the swarm"
