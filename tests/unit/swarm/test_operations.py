"""What is done to nodes: the guard of the majority, and what is waited for."""

from __future__ import annotations

import contextlib
import copy
import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import NotFound

from constructs_lib.swarm.entries import Entry, entries, named, remove
from constructs_lib.swarm.errors import SwarmError, remedy_of, told
from constructs_lib.swarm.managers import NodeEndpoint
from constructs_lib.swarm.membership import Joining, labelled, pool_of
from constructs_lib.swarm.node import SwarmNode, volume_labels
from constructs_lib.swarm.operations import (
    check_absence,
    check_removal,
    drain,
    label,
    remove_node,
    tidy,
)
from constructs_lib.swarm.recover import _remove_managers

if TYPE_CHECKING:
    from pathlib import Path

    from docker import DockerClient

    from constructs_lib.swarm.managers import Answer


def node(
    name: str, *, reach: str = "", state: str = "ready", leader: bool = False, number: int = 1
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ID": f"id-{name}-{number}",
        "Version": {"Index": 1},
        "Spec": {
            "Role": "manager" if reach else "worker",
            "Availability": "active",
            "Labels": {"moor.node": name} if name else {},
        },
        "Description": {"Hostname": f"host-{name}", "Engine": {"EngineVersion": "26.1.5"}},
        "Status": {"State": state, "Addr": "10.0.0.1"},
    }
    if reach:
        found["ManagerStatus"] = {"Leader": leader, "Reachability": reach, "Addr": "10.0.0.1:2377"}
    return found


class Swarm:
    """A manager's engine, with as much of Swarm as these functions ask of it."""

    def __init__(self, *nodes: dict[str, Any]) -> None:
        self.api = self
        self._nodes = {item["ID"]: item for item in nodes}
        self.left: list[list[dict[str, Any]]] = [[]]
        self._asked = itertools.count()

    @property
    def client(self) -> DockerClient:
        """Itself, to the type checker."""
        return cast("DockerClient", self)

    def nodes(self) -> list[dict[str, Any]]:
        """Answer."""
        return copy.deepcopy(list(self._nodes.values()))

    def inspect_node(self, node_id: str) -> dict[str, Any]:
        """Answer."""
        return copy.deepcopy(self._nodes[node_id])

    def update_node(self, node_id: str, version: int, spec: dict[str, Any]) -> None:
        """Change a node."""
        found = self._nodes[node_id]
        assert found["Version"]["Index"] == version
        if spec["Role"] != found["Spec"]["Role"] and "ManagerStatus" not in found:
            raise NotFound(f"can't find manager {node_id} in raft memberlist")
        found["Version"]["Index"] += 1
        found["Spec"] = spec
        if spec["Role"] == "worker":
            found.pop("ManagerStatus", None)

    def remove_node(self, node_id: str, *, force: bool) -> None:
        """Remove a node."""
        assert force
        assert "ManagerStatus" not in self._nodes[node_id]
        del self._nodes[node_id]

    def tasks(self, *, filters: dict[str, str]) -> list[dict[str, Any]]:
        """Answer with fewer tasks each time."""
        assert filters["node"] in self._nodes
        return self.left[min(next(self._asked), len(self.left) - 1)]

    def services(self) -> list[dict[str, Any]]:
        """Answer."""
        return [{"ID": "s1", "Spec": {"Name": "web"}}, {"ID": "s2", "Spec": {"Name": "db"}}]


THREE = (
    node("manager-1", reach="reachable", leader=True),
    node("manager-2", reach="reachable"),
    node("manager-3", reach="reachable"),
)
WOUNDED = (*THREE[:2], node("manager-3", reach="unreachable", state="down"))
WORKER = node("web-1")


def known(*nodes: dict[str, Any]) -> list[Entry]:
    return [Entry.of(item) for item in nodes]


def task(service: str, state: str) -> dict[str, Any]:
    return {"ServiceID": service, "Status": {"State": state}}


def test_of_three_managers_one_may_be_away() -> None:
    for entry in known(*THREE):
        check_absence(known(*THREE), entry)


def test_of_two_that_are_left_of_three_none_may() -> None:
    nodes = known(*WOUNDED)
    with pytest.raises(SwarmError) as caught:
        check_absence(nodes, nodes[0])
    assert str(caught.value) == (
        "node manager-1: must leave a majority of managers, got 1 reachable of 3 without it, where "
        "2 are needed; bring another manager back or add one, or say that manager-1 may go all the "
        "same"
    )
    check_absence(nodes, nodes[0], despite_quorum="manager-1")
    with pytest.raises(SwarmError):
        check_absence(nodes, nodes[0], despite_quorum="manager-2")


def test_the_one_that_is_lost_may_go_for_good_and_the_others_may_not() -> None:
    nodes = known(*WOUNDED)
    check_removal(nodes, nodes[2])
    with pytest.raises(SwarmError, match="got 1 reachable of 2 without it, where 2 are needed"):
        check_removal(nodes, nodes[0])
    check_removal(nodes, nodes[0], despite_quorum="manager-1")


def test_the_only_manager_stays_whatever_is_said() -> None:
    nodes = known(THREE[0], WORKER)
    message = "node manager-1: must not be the only manager, got the only one; promote another"
    with pytest.raises(SwarmError, match=message):
        check_removal(nodes, nodes[0], despite_quorum="manager-1")
    check_removal(nodes, nodes[1])
    # When it is away everybody knows: there is nobody to ask in its place.
    check_absence(nodes, nodes[0])


def test_a_node_is_drained_when_its_tasks_are_over() -> None:
    swarm = Swarm(*THREE, WORKER)
    swarm.left = [
        [task("s1", "running"), task("s1", "starting"), task("s2", "running")],
        [task("s1", "shutdown"), task("s2", "running"), task("s3", "failed")],
        [task("s1", "shutdown"), task("s2", "complete")],
    ]
    said: list[str] = []
    assert drain(swarm.client, "web-1", seconds=10, report=said.append)
    assert said[:2] == [
        "web-1: still has 3 tasks: db (1), web (2)",
        "web-1: still has 1 task: db (1)",
    ]
    assert said[2].startswith("web-1: drained in ")
    assert entries(swarm.client)[3].availability == "drain"


def test_a_node_that_is_not_drained_in_time_is_told() -> None:
    swarm = Swarm(*THREE, WORKER)
    swarm.left = [[task("s2", "running")]]
    said: list[str] = []
    assert not drain(swarm.client, "web-1", seconds=0, report=said.append)
    assert said[-1] == "web-1: not drained in 0 s, still has 1 task: db (1)"


def test_a_manager_that_is_needed_is_not_drained() -> None:
    swarm = Swarm(*WOUNDED)
    with pytest.raises(SwarmError, match="node manager-2: must leave a majority"):
        drain(swarm.client, "manager-2", seconds=0, report=print)
    assert {e.availability for e in entries(swarm.client)} == {"active"}


def test_labels_are_given_and_taken_and_ours_are_not_touched() -> None:
    swarm = Swarm(WORKER)
    assert label(swarm.client, "web-1", {"tier": "web", "gone": None})
    assert not label(swarm.client, "web-1", {"tier": "web"})
    assert label(swarm.client, "web-1", {"tier": None, "disk": "ssd"})
    assert named(swarm.client, "web-1").labels == {"moor.node": "web-1", "disk": "ssd"}
    message = "node web-1: labels: must not begin with moor., got 'moor.node'; use another"
    with pytest.raises(SwarmError, match=message):
        label(swarm.client, "web-1", {"moor.node": None})


def test_who_moves_a_volume_moves_its_label() -> None:
    swarm = Swarm(WORKER)
    assert label(swarm.client, "web-1", {"moor.volume.shop.data": "yes"})
    assert volume_labels(named(swarm.client, "web-1").labels) == {"moor.volume.shop.data": "yes"}
    assert label(swarm.client, "web-1", {"moor.volume.shop.data": None})
    assert volume_labels(named(swarm.client, "web-1").labels) == {}


def test_a_machine_keeps_the_volumes_of_the_one_before_it(tmp_path: Path) -> None:
    former = node("web-1", state="down", number=1)
    former["Spec"]["Labels"] |= {"moor.volume.shop.data": "yes", "moor.volume.shop.old": "no"}
    swarm = Swarm(*THREE, former)
    joining = Joining(managers=[], certificates=[], lock=tmp_path / "lock", report=print)
    here = NodeEndpoint(name="web-1", address="192.0.2.1", private_address="10.0.0.9", port=2376)
    described = SwarmNode(name="web-1", is_manager=False)
    assert joining._remove_former(described, here, swarm.client) == {"moor.volume.shop.data": "yes"}
    assert "web-1" not in [e.name for e in entries(swarm.client)]


def test_a_recovery_remembers_which_manager_has_which_volumes(tmp_path: Path) -> None:
    second = copy.deepcopy(THREE[1])
    second["Spec"]["Labels"]["moor.volume.shop.data"] = "yes"
    swarm = Swarm(THREE[0], second, THREE[2])
    chosen = SimpleNamespace(
        membership=SimpleNamespace(node_id=THREE[0]["ID"]),
        engine=lambda **_: contextlib.nullcontext(swarm.client),
    )
    joining = Joining(managers=[], certificates=[], lock=tmp_path / "lock", report=print)
    volumes = _remove_managers(joining, cast("Answer", chosen), keep="manager-1")
    assert volumes == {"manager-2": {"moor.volume.shop.data": "yes"}, "manager-3": {}}
    assert [e.name for e in entries(swarm.client)] == ["manager-1"]


def test_a_node_at_work_is_not_removed_without_force() -> None:
    swarm = Swarm(*THREE, WORKER)
    swarm.left = [[task("s2", "running")]]
    with pytest.raises(SwarmError) as caught:
        remove_node(swarm.client, "web-1")
    assert str(caught.value) == (
        "node web-1: must have no tasks, got 1 task: db (1); run: moor node drain web-1"
    )
    remove_node(swarm.client, "web-1", force=True)
    assert [e.name for e in entries(swarm.client)] == ["manager-1", "manager-2", "manager-3"]


def test_a_manager_is_demoted_before_it_is_removed() -> None:
    swarm = Swarm(*THREE)
    remove_node(swarm.client, "manager-3")
    assert [e.name for e in entries(swarm.client)] == ["manager-1", "manager-2"]


def test_what_is_a_manager_by_its_description_only_is_removed_as_it_is() -> None:
    forgotten = node("manager-3", reach="reachable")
    del forgotten["ManagerStatus"]
    swarm = Swarm(*THREE[:2], forgotten)
    remove(swarm.client, named(swarm.client, "manager-3"))
    assert [e.name for e in entries(swarm.client)] == ["manager-1", "manager-2"]


def test_only_what_is_down_named_and_unwanted_is_tidied_away() -> None:
    swarm = Swarm(
        *THREE,
        node("web-1", state="down"),
        node("web-2", state="down"),
        node("web-3"),
        node("", state="down"),
    )
    keep = {"manager-1", "manager-2", "manager-3", "web-1"}
    assert tidy(swarm.client, keep) == ["web-2"]
    assert [e.name for e in entries(swarm.client)] == [
        *("", "manager-1", "manager-2", "manager-3", "web-1", "web-3")
    ]


def test_of_two_entries_of_a_name_the_one_that_is_ready_is_meant() -> None:
    swarm = Swarm(node("web-1", state="down", number=1), node("web-1", number=2))
    assert named(swarm.client, "web-1").id == "id-web-1-2"


def test_a_node_that_nobody_knows_is_told_with_those_there_are() -> None:
    with pytest.raises(SwarmError) as caught:
        named(Swarm(*THREE).client, "web-9")
    assert str(caught.value) == (
        "node web-9: must be one of the swarm, got none of that name; "
        "manager-1, manager-2, manager-3"
    )


def test_a_label_that_the_settings_no_longer_give_goes_and_others_stay() -> None:
    spec = {
        "Labels": {"moor.given": "a,b", "a": "1", "b": "2", "by-hand": "3", "moor.volume.x": "y"}
    }
    assert labelled(spec, {"b": "4", "moor.given": "b"}) == {
        "b": "4",
        "by-hand": "3",
        "moor.given": "b",
        "moor.volume.x": "y",
    }
    assert labelled({"Labels": None}, {"moor.given": ""}) == {"moor.given": ""}


@pytest.mark.parametrize(
    ("address", "pool"),
    [("10.1.2.3", ["100.64.0.0/10"]), ("172.31.0.100", None), ("192.168.1.1", None)],
)
def test_the_swarms_networks_are_not_where_the_machines_are(
    address: str, pool: list[str] | None
) -> None:
    assert pool_of(address) == pool


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (
            (
                "error while validating Root CA Certificate: x509: certificate has expired or is "
                "not yet valid: current time 2026-11-27T11:00:00Z is before 2026-11-28T10:00:00Z"
            ),
            "the clocks of the machines, or of one, are wrong: set them (timedatectl)",
        ),
        (
            "rpc error: code = Unavailable desc = connection error: connection refused",
            (
                "let the nodes reach each other at their private addresses: 2377/tcp, 7946 tcp "
                "and udp, 4789/udp"
            ),
        ),
        ("The swarm does not have a leader.", "run: moor swarm recover"),
        ("something else", ""),
    ],
)
def test_swarms_own_words_are_told_with_what_to_do(words: str, remedy: str) -> None:
    assert remedy_of(words) == remedy
    assert told(words) == (f"{words}; {remedy}" if remedy else words)


def test_no_token_is_ever_told() -> None:
    words = 'bad "SWMTKN-1-49nj1cmql0jkz5s954yi3oex3nedyz0fb-8vxv8rssmk743" is\n refused'
    assert told(words) == 'bad "SWMTKN-…" is refused'
