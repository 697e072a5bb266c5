"""The swarm over its managers' APIs, where an engine's part is played by a small one of ours."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from requests.exceptions import ConnectionError as NoConnection

from constructs_lib.settings.nodes import Node as WantedNode
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.managers import Answer, NodeEndpoint, NoManagerError, Problem
from constructs_lib.swarm.membership import Joining
from constructs_lib.swarm.node import SwarmNode
from moor.failure import CommandError
from moor.outputs import Node
from moor.swarm import live_cluster, recovering
from moor.swarm.cluster import LostQuorumError, Member
from moor.swarm.live_cluster import LiveCluster
from moor.swarm.roll import RESTING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NODES = {
    name: Node(
        public_ip=f"192.0.2.{number}", private_ip=f"10.0.0.{number}", instance_id="i", ssh=""
    )
    for number, name in enumerate(("manager-1", "manager-2", "web-1", "old-1"), start=7)
}


def wanted(name: str, **labels: str) -> WantedNode:
    image = cast("Any", None)
    return WantedNode(
        name=name,
        pool=name.rpartition("-")[0],
        is_manager=name.startswith("manager-"),
        instance_type="t3.small",
        image=image,
        root_volume_gib=8,
        data_volume=None,
        labels=labels,
        place=0,
    )


def listed(name: str) -> dict[str, Any]:
    """Return what the API tells of a node."""
    is_manager = name.startswith("manager-")
    status = {"Leader": name == "manager-1", "Reachability": "reachable", "Addr": "10.0.0.7:2377"}
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 1},
        "Spec": {
            "Role": "manager" if is_manager else "worker",
            "Availability": "active",
            "Labels": {"moor.node": name},
        },
        "Description": {"Hostname": f"host-{name}"},
        "Status": {"State": "ready"},
        **({"ManagerStatus": status} if is_manager else {}),
    }


@dataclass
class FakeEngine:
    """A manager's engine: the part of its API that is used.

    Attributes:
        there: Its nodes, by their ids.
        running: Its services' tasks, by look; the last look stays.
        failure: What each request raises.
    """

    there: dict[str, dict[str, Any]] = field(default_factory=dict)
    running: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    failure: Exception | None = None

    @property
    def api(self) -> FakeEngine:
        """The API."""
        return self

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes."""
        if self.failure is not None:
            raise self.failure
        return list(copy.deepcopy(self.there).values())

    def inspect_node(self, node_id: str) -> dict[str, Any]:
        """Return a node."""
        return copy.deepcopy(self.there[node_id])

    def update_node(self, node_id: str, version: int, spec: dict[str, Any]) -> None:
        """Change a node."""
        assert version == self.there[node_id]["Version"]["Index"]
        self.there[node_id]["Spec"] = spec

    def remove_node(self, node_id: str, *, force: bool) -> None:
        """Remove a node."""
        assert force
        del self.there[node_id]

    def services(self) -> list[dict[str, Any]]:
        """Return the services."""
        return [{"ID": "s1", "Spec": {"Name": "shop_web"}}, {"ID": "s2", "Spec": {"Name": "db"}}]

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """Return the tasks, at each look others."""
        if "node" in filters:
            return []
        assert filters == {"desired-state": "running"}
        return self.running.pop(0) if len(self.running) > 1 else self.running[0]


def task(state: str, service: str = "s1") -> dict[str, Any]:
    return {"ServiceID": service, "Status": {"State": state}}


@dataclass
class World:
    """A swarm with what is asked of whom.

    Attributes:
        cluster: The swarm.
        engine: The engine of whichever manager answers.
        avoided: The nodes that were not to be asked.
        asked: Who was asked, in order of preference.
        said: What was told.
    """

    cluster: LiveCluster
    engine: FakeEngine
    avoided: list[str | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def labels(self, name: str) -> dict[str, str]:
        """Return a node's labels."""
        return dict(self.engine.there[f"id-{name}"]["Spec"]["Labels"])

    def availability(self, name: str) -> str:
        """Return a node's availability."""
        return str(self.engine.there[f"id-{name}"]["Spec"]["Availability"])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    names = ("manager-1", "manager-2", "web-1")
    engine = FakeEngine({f"id-{name}": listed(name) for name in names})
    said: list[str] = []
    cluster = LiveCluster(
        wanted=[wanted("manager-1"), wanted("manager-2"), wanted("web-1", tier="web")],
        nodes=lambda: NODES,
        port=2376,
        certificates=(tmp_path / "certificates", tmp_path / "next"),
        pki=tmp_path / "pki",
        say=said.append,
        settle_seconds=0.3,
        drain_seconds=1,
    )
    made = World(cluster, engine, said=said)

    @contextlib.contextmanager
    def opened() -> Iterator[FakeEngine]:
        yield engine

    def answering(
        endpoints: Sequence[NodeEndpoint], _certificates: object, *, avoid: str | None = None
    ) -> SimpleNamespace:
        made.asked = [endpoint.name for endpoint in endpoints]
        made.avoided.append(avoid)
        return SimpleNamespace(endpoint=endpoints[0], engine=opened)

    monkeypatch.setattr(live_cluster, "answering", answering)
    monkeypatch.setattr(live_cluster, "_PAUSE_SECONDS", 0.01)
    return made


def test_members(world: World) -> None:
    first, _, third = world.cluster.members()
    assert first == Member(
        name="manager-1",
        is_manager=True,
        is_leader=True,
        is_reachable=True,
        labels={"moor.node": "manager-1"},
    )
    assert (third.name, third.role, third.is_reachable) == ("web-1", "worker", False)


def test_managers_are_asked_and_what_may_still_be_one(world: World) -> None:
    world.cluster.members()
    assert world.asked == ["manager-1", "manager-2", "old-1"]
    assert [str(e) for e in world.cluster.managers] == [
        "manager-1 (192.0.2.7:2376)",
        "manager-2 (192.0.2.8:2376)",
    ]


def test_a_node_is_drained_for_a_while_and_works_again(world: World) -> None:
    world.cluster.drain("web-1", mark=True)
    assert world.availability("web-1") == "drain"
    assert world.labels("web-1")[RESTING] == "yes"
    world.cluster.activate("web-1")
    assert world.availability("web-1") == "active"
    assert world.labels("web-1") == {"moor.node": "web-1"}
    assert set(world.avoided) == {"web-1"}


def test_a_node_gets_no_further_tasks_and_works_again(world: World) -> None:
    world.cluster.hold("web-1")
    assert world.availability("web-1") == "pause"
    assert world.labels("web-1")[RESTING] == "yes"
    world.cluster.activate("web-1")
    assert world.availability("web-1") == "active"
    assert world.labels("web-1") == {"moor.node": "web-1"}


def test_a_node_is_drained_for_good(world: World) -> None:
    world.cluster.drain("web-1")
    assert RESTING not in world.labels("web-1")


def test_a_majority_is_kept_unless_said_otherwise(world: World) -> None:
    with pytest.raises(CommandError, match="must leave a majority of managers"):
        world.cluster.drain("manager-2")
    assert world.availability("manager-2") == "active"
    world.cluster.drain("manager-2", despite=True)
    assert world.availability("manager-2") == "drain"


@pytest.mark.parametrize("state", ["ready", "down"])
def test_a_machine_that_answers_forgets_the_swarm_that_it_is_taken_out_of(
    world: World, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    left: list[str] = []

    @contextlib.contextmanager
    def engine_of(name: str) -> Iterator[SimpleNamespace]:
        def leave_swarm(*, force: bool) -> None:
            assert force
            assert "id-web-1" not in world.engine.there, "the swarm is told first"
            left.append(name)
            raise NoConnection("gone")  # which is nobody's trouble then

        yield SimpleNamespace(api=SimpleNamespace(leave_swarm=leave_swarm))

    def ask(endpoint: NodeEndpoint, _certificates: object) -> SimpleNamespace:
        return SimpleNamespace(engine=lambda **_: engine_of(endpoint.name))

    monkeypatch.setattr(live_cluster, "ask", ask)
    world.engine.there["id-web-1"]["Status"]["State"] = state
    world.cluster.remove("web-1")
    assert sorted(world.engine.there) == ["id-manager-1", "id-manager-2"]
    assert left == (["web-1"] if state == "ready" else [])


def test_labels(world: World) -> None:
    world.cluster.label("web-1", {"disk": "ssd"})
    world.cluster.label("web-1", {"disk": None, "zone": "a"})
    assert world.labels("web-1") == {"moor.node": "web-1", "zone": "a"}
    with pytest.raises(CommandError, match=r"labels: must not begin with moor\."):
        world.cluster.label("web-1", {"moor.node": "x"})


def test_a_node_that_is_unknown_is_told(world: World) -> None:
    with pytest.raises(CommandError, match=r"^node web-9: must be one of the swarm"):
        world.cluster.activate("web-9")


def test_an_engine_that_breaks_off_is_told(world: World) -> None:
    world.engine.failure = NoConnection("gone")
    with pytest.raises(CommandError) as caught:
        world.cluster.members()
    assert str(caught.value) == (
        "manager-1 (192.0.2.7:2376): the Docker API must do it, got: no connection (gone)"
    )


# Who answers


@pytest.mark.parametrize(
    ("problem", "kind"), [(Problem.NO_QUORUM, LostQuorumError), (Problem.REFUSED, CommandError)]
)
def test_nobody_answers(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    problem: Problem,
    kind: type[CommandError],
) -> None:
    def answering(endpoints: Sequence[NodeEndpoint], *_: object, **__: object) -> None:
        raise NoManagerError([Answer(endpoint=endpoints[0], problem=problem, words="no")])

    monkeypatch.setattr(live_cluster, "answering", answering)
    with pytest.raises(kind) as caught:
        world.cluster.members()
    assert type(caught.value) is kind
    assert "manager-1 (192.0.2.7:2376): no" in str(caught.value)


def test_managers_of_two_swarms(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def answering(*_: object, **__: object) -> None:
        raise SwarmError("swarm: managers: must be of one swarm")

    monkeypatch.setattr(live_cluster, "answering", answering)
    with pytest.raises(CommandError, match="must be of one swarm"):
        world.cluster.members()


def test_terraform_is_pointed_to_a_manager_that_takes_the_present_certificate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    present: list[tuple[list[str], list[str]]] = []

    def answering(
        endpoints: Sequence[NodeEndpoint], folders: Sequence[Path], **_: object
    ) -> SimpleNamespace:
        present.append(([e.name for e in endpoints], [folder.name for folder in folders]))
        if len(folders) == 1 and len(present) == 1:
            raise NoManagerError([])
        return SimpleNamespace(endpoint=endpoints[-1])

    monkeypatch.setattr(live_cluster, "answering", answering)
    managers = ["manager-1", "manager-2"]
    # None takes it: certificates are being changed, and any will do.
    assert world.cluster.for_terraform() == "old-1"
    assert present == [
        (managers, ["certificates"]),
        ([*managers, "old-1"], ["certificates", "next"]),
    ]
    assert world.cluster.for_terraform() == "manager-2"


def test_a_lost_quorum_is_told_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def answering(endpoints: Sequence[NodeEndpoint], folders: Sequence[Path]) -> None:
        asked.append(len(folders))
        lost = Answer(endpoint=endpoints[0], problem=Problem.NO_QUORUM, words="no majority")
        raise NoManagerError([lost])

    monkeypatch.setattr(live_cluster, "answering", answering)
    with pytest.raises(LostQuorumError, match="moor swarm recover"):
        world.cluster.for_terraform()
    assert asked == [1]


# Joining


def test_a_machine_joins_with_its_role_and_labels(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[tuple[SwarmNode, str]] = []
    monkeypatch.setattr(
        Joining, "ensure", lambda _self, node, here: joined.append((node, here.name))
    )
    world.cluster.join("web-1", {"moor.volume.shop.data": "yes"})
    node = SwarmNode(name="web-1", is_manager=False, labels={"tier": "web"})
    assert joined == [(node, "web-1")]
    assert world.labels("web-1")["moor.volume.shop.data"] == "yes"


def test_a_machine_that_cannot_join_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SwarmError("web-1: clock: must be within 30 min")

    monkeypatch.setattr(Joining, "ensure", refuse)
    with pytest.raises(CommandError, match=r"^web-1: clock"):
        world.cluster.join("web-1")


# Coming back


def test_a_node_and_all_services_are_waited_for(world: World) -> None:
    whole = [task("running")] * 2
    # What is right for a moment only, before a global service has got its task, is not right yet.
    world.engine.running = [whole, [*whole, task("starting")], whole, whole, whole, []]
    world.cluster.settle("web-1")
    assert world.engine.running == [[]]


@pytest.mark.parametrize(
    ("tasks", "state", "got"),
    [
        (
            [task("running"), task("pending"), task("pending", "s2")],
            "ready",
            "services that do not run in full: db (0 of 1), shop_web (1 of 2)",
        ),
        ([task("pending", "unknown")], "down", "a node that is down"),
    ],
)
def test_it_fails_when_a_node_or_a_service_does_not_come_back(
    world: World, tasks: list[dict[str, Any]], state: str, got: str
) -> None:
    world.engine.running = [tasks]
    world.engine.there["id-web-1"]["Status"]["State"] = state
    with pytest.raises(CommandError) as caught:
        world.cluster.settle("web-1")
    assert str(caught.value) == (
        f"node web-1: must be back within 0 s, got {got}; the next nodes were left alone: see "
        "`moor status`, and deploy again"
    )


def test_what_did_not_run_before_is_not_waited_for(world: World) -> None:
    world.engine.running = [[task("running"), task("pending")]]
    world.cluster.drain("web-1")
    world.cluster.settle("web-1")


# A lost majority


def test_a_recovery_takes_managers_only(world: World) -> None:
    with pytest.raises(CommandError, match=r"^node: must be the name of one, got 'web-1'"):
        recovering.recover(world.cluster, survivor=None, lost=["web-1"])


def test_a_recovery_is_handed_on_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from constructs_lib.swarm import recover as recovery  # noqa: PLC0415

    asked: list[Any] = []

    def recover(
        _joining: object, nodes: dict[str, SwarmNode], *, survivor: str, lost: list[str]
    ) -> recovery.Recovery:
        asked.append((sorted(nodes), survivor, lost))
        return recovery.Recovery(survivor="manager-1", joined=(), lost=("manager-2",), nodes=())

    monkeypatch.setattr(recovery, "recover", recover)
    done = recovering.recover(world.cluster, survivor="manager-1", lost=["manager-2"])
    assert asked == [(["manager-1", "manager-2"], "manager-1", ["manager-2"])]
    assert recovering.summary(done) == "the swarm began anew with manager-1; gone: manager-2"
