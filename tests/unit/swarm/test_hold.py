"""Services that give a node's tasks up, and have them there again; nothing else of them changes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import NotFound

from constructs_lib.swarm import hold
from constructs_lib.swarm.errors import SwarmError

if TYPE_CHECKING:
    from docker import DockerClient

    from constructs_lib.swarm.hold import Held

BILLION = 1_000_000_000


def service(name: str, mode: dict[str, Any], constraints: list[str]) -> dict[str, Any]:
    template = {
        "ContainerSpec": {"Image": "web@sha256:0", "StopGracePeriod": 7 * BILLION},
        "Placement": {"Constraints": constraints},
    }
    return {
        "Version": {"Index": 7},
        "Spec": {"Name": name, "Mode": mode, "TaskTemplate": template, "Labels": {"a": "b"}},
    }


def task(of: str, node: str, state: str, desired: str = "running") -> dict[str, Any]:
    status = {"State": state, "Err": "no such image" if state == "rejected" else ""}
    return {
        "ServiceID": of,
        "NodeID": node,
        "DesiredState": desired,
        "CreatedAt": "2026-03-01",
        "Status": status,
    }


class Swarm:
    """A manager's engine: the part of its API that is used."""

    def __init__(self, *tasks: dict[str, Any]) -> None:
        self.api = self
        self.listed = list(tasks)
        self.there = {
            "s1": service("shop_db", {"Replicated": {"Replicas": 2}}, ["node.role==worker"]),
            "s2": service("shop_agent", {"Global": {}}, ["node.platform.os==linux"]),
            "s3": service("shop_off", {"Replicated": {"Replicas": 0}}, []),
        }

    def inspect_service(self, service: str) -> dict[str, Any]:
        """Answer."""
        if service not in self.there:
            raise NotFound(service)
        return copy.deepcopy(self.there[service])

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """Answer as the engine does."""
        keys = {"service": "ServiceID", "node": "NodeID", "desired-state": "DesiredState"}
        return [t for t in self.listed if all(t[keys[k]] == v for k, v in filters.items())]

    def _url(self, path: str, service: str) -> str:
        assert path == "/services/{0}/update"
        return service

    def _post_json(self, service: str, *, data: dict[str, Any], params: dict[str, int]) -> None:
        assert params == {"version": 7}
        self.there[service]["Spec"] = data

    def _raise_for_status(self, _: None) -> None: ...

    @property
    def engine(self) -> DockerClient:
        """The client."""
        return cast("DockerClient", self)


def look(swarm: Swarm, name: str) -> Held:
    found = hold.look(swarm.engine, name, "n1")
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "_PAUSE_SECONDS", 0)


@pytest.mark.parametrize("name", ["s1", "s2"])
def test_what_is_held_is_as_before_afterwards(name: str) -> None:
    swarm = Swarm()
    before, held = copy.deepcopy(swarm.there), look(swarm, name)
    assert not hold.is_held(swarm.engine, held)
    for _ in range(2):  # the second time there is nothing to do
        hold.begin(swarm.engine, held)
    assert swarm.there != before
    assert hold.is_held(swarm.engine, held)
    for _ in range(2):
        hold.end(swarm.engine, held)
    assert not hold.is_held(swarm.engine, held)
    assert swarm.there == before


def test_one_with_replicas_has_none_and_a_global_one_none_on_the_node() -> None:
    swarm = Swarm()
    for name in ("s1", "s2"):
        hold.begin(swarm.engine, look(swarm, name))
    assert swarm.there["s1"]["Spec"]["Mode"] == {"Replicated": {"Replicas": 0}}
    assert swarm.there["s2"]["Spec"]["Mode"] == {"Global": {}}
    assert swarm.there["s2"]["Spec"]["TaskTemplate"]["Placement"] == {
        "Constraints": ["node.platform.os==linux", "node.id!=n1"]
    }


def test_the_machines_own_timer_does_the_same() -> None:
    swarm = Swarm()
    assert look(swarm, "s1").end == ["docker", "service", "scale", "--detach", "shop_db=2"]
    words = ["docker", "service", "update", "--detach", "--constraint-rm", "node.id!=n1"]
    assert look(swarm, "s2").end == [*words, "shop_agent"]


def test_what_is_gone_or_has_no_tasks_is_left_alone() -> None:
    swarm = Swarm()
    assert hold.look(swarm.engine, "s3", "n1") is None
    assert hold.look(swarm.engine, "s4", "n1") is None
    held = look(swarm, "s1")
    del swarm.there["s1"]
    hold.begin(swarm.engine, held)
    hold.end(swarm.engine, held)
    assert not hold.is_held(swarm.engine, held)
    assert "s1" not in swarm.there


def test_whoever_asks_for_replicas_meanwhile_has_them() -> None:
    swarm = Swarm()
    held = look(swarm, "s1")
    hold.begin(swarm.engine, held)
    swarm.there["s1"]["Spec"]["Mode"] = {"Replicated": {"Replicas": 5}}
    hold.end(swarm.engine, held)
    assert swarm.there["s1"]["Spec"]["Mode"] == {"Replicated": {"Replicas": 5}}


def test_tasks_on_the_node_are_waited_for_and_those_of_others_are_not() -> None:
    swarm = Swarm(task("s2", "n1", "shutdown"), task("s2", "n2", "running"))
    hold.await_over(swarm.engine, [look(swarm, "s2")], seconds=0)
    swarm.listed.append(task("s2", "n1", "running"))
    with pytest.raises(SwarmError) as caught:
        hold.await_over(swarm.engine, [look(swarm, "s2")], seconds=-7)
    assert str(caught.value) == (
        "services shop_agent: must have ended -7 s after their stop_grace_period, got tasks that "
        "have not; look at them there (moor ssh NODE)"
    )


def test_as_many_run_again_as_before_and_not_as_many_as_should() -> None:
    swarm = Swarm(task("s1", "n1", "running"), task("s1", "n1", "pending"))
    held = look(swarm, "s1")
    assert held.running == 1
    hold.await_back(swarm.engine, [held], seconds=0)
    swarm.listed = [task("s1", "n1", "rejected")]
    with pytest.raises(SwarmError) as caught:
        hold.await_back(swarm.engine, [held], seconds=0)
    assert str(caught.value) == (
        "services: must run again within 0 s, got tasks that do not: shop_db (rejected: no such "
        "image)"
    )
