"""Services have no tasks before they are removed, and what does not end is told."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import APIError, NotFound

from constructs_lib.swarm import withdrawal
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.withdrawal import withdraw

if TYPE_CHECKING:
    from docker import DockerClient

SECOND = 1_000_000_000


def service(name: str, mode: dict[str, Any], **container: Any) -> dict[str, Any]:  # noqa: ANN401
    template = {"ContainerSpec": {"Image": "web@sha256:0", **container}, "ForceUpdate": 3}
    return {
        "Version": {"Index": 7},
        "Spec": {"Name": name, "Mode": mode, "TaskTemplate": template, "Labels": {"a": "b"}},
    }


def node(name: str, state: str = "ready") -> dict[str, Any]:
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 1},
        "Spec": {"Role": "worker", "Availability": "active", "Labels": {"moor.node": name}},
        "Description": {"Hostname": name},
        "Status": {"State": state},
    }


def task(of: str, state: str, on: str = "web-1") -> dict[str, Any]:
    return {"ServiceID": of, "NodeID": on and f"id-{on}", "Status": {"State": state}}


class Swarm:
    """A manager's engine: the part of its API that is used."""

    def __init__(self, *looks: list[dict[str, Any]]) -> None:
        self.api = self
        self.there = {
            "s1": service("shop_web", {"Replicated": {"Replicas": 3}}, StopGracePeriod=2 * SECOND),
            "s2": service("shop_agent", {"Global": {}}),
            "s3": service("shop_other", {"Replicated": {"Replicas": 1}}),
        }
        self.looks = list(looks)
        self.others = 0

    def nodes(self) -> list[dict[str, Any]]:
        """Answer."""
        return [node("web-1"), node("web-2", "down")]

    def tasks(self) -> list[dict[str, Any]]:
        """Answer with others each time; what was last stays."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def inspect_service(self, service: str) -> dict[str, Any]:
        """Answer."""
        if service not in self.there:
            raise NotFound(service)
        return copy.deepcopy(self.there[service])

    def _url(self, path: str, service: str) -> str:
        assert path == "/services/{0}/update"
        return service

    def _post_json(self, service: str, *, data: dict[str, Any], params: dict[str, int]) -> bool:
        self.others -= 1
        if self.others >= 0:
            return False
        assert params == {"version": 7}
        self.there[service]["Spec"] = data
        return True

    def _raise_for_status(self, answer: bool) -> None:  # noqa: FBT001
        if not answer:
            raise APIError("rpc error: update out of sequence")


def take_away(swarm: Swarm, *services: str, seconds: float = 5) -> None:
    withdraw(cast("DockerClient", swarm), services, seconds=seconds)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "_PAUSE_SECONDS", 0)


def test_services_have_no_tasks_and_stay_what_they_are_otherwise() -> None:
    swarm = Swarm([])
    before = copy.deepcopy(swarm.there)
    take_away(swarm, "s1", "s2", "gone")
    before["s1"]["Spec"]["Mode"] = {"Replicated": {"Replicas": 0}}
    placement = {"Constraints": ["node.id==nowhere"]}
    before["s2"]["Spec"]["TaskTemplate"]["Placement"] = placement
    assert swarm.there == before


def test_it_ends_when_their_tasks_are_over_wherever_somebody_can_tell() -> None:
    over = [task("s1", "shutdown"), task("s1", "failed"), task("s3", "running")]
    swarm = Swarm(
        [*over, task("s1", "running")],
        [*over, task("s1", "pending", on="")],
        [*over, task("s1", "running", on="web-2")],
        [],
    )
    take_away(swarm, "s1")
    assert swarm.looks == [[]]


def test_tasks_that_do_not_end_are_told() -> None:
    swarm = Swarm([task("s2", "running"), task("s2", "starting", on=""), task("s3", "running")])
    with pytest.raises(SwarmError) as caught:
        take_away(swarm, "s2", seconds=0)
    assert str(caught.value) == (
        "swarm: tasks: must be over 0 s after the stop_grace_period of their services, got some "
        "that are not: shop_agent on no node, web-1; look at them there (moor ssh NODE), or reboot "
        "the node (moor host reboot NODE)"
    )


def test_another_change_meanwhile_is_no_obstacle() -> None:
    swarm = Swarm([])
    swarm.others = 2
    take_away(swarm, "s1")
    assert swarm.there["s1"]["Spec"]["Mode"] == {"Replicated": {"Replicas": 0}}
    swarm.others = 100
    with pytest.raises(SwarmError, match=r"^service s1: must take a change, got 10 changes by"):
        take_away(swarm, "s1")


def test_what_the_engine_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise APIError("no")

    swarm = Swarm([])
    monkeypatch.setattr(swarm, "_raise_for_status", refuse)
    with pytest.raises(APIError, match="no"):
        take_away(swarm, "s1")
