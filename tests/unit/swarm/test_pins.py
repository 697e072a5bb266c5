"""The node that a volume is given."""

from __future__ import annotations

from typing import Any

import pytest
from docker.errors import APIError

from constructs_lib.swarm.pins import NoPlaceError, pin


class Engine:
    """Stands for a manager: its nodes, and what is written to them."""

    def __init__(self, *nodes: dict[str, Any]) -> None:
        self._nodes = {node["ID"]: node for node in nodes}
        self.conflicts = 0
        self.api = self

    def nodes(self) -> list[dict[str, Any]]:
        """List nodes."""
        return list(self._nodes.values())

    def inspect_node(self, identity: str) -> dict[str, Any]:
        """Inspect a node."""
        return self._nodes[identity]

    def update_node(self, identity: str, version: int, spec: dict[str, Any]) -> None:
        """Update a node."""
        if self.conflicts:
            self.conflicts -= 1
            raise APIError("x", explanation="rpc error: update out of sequence")
        assert version == 7
        self._nodes[identity]["Spec"] = spec

    def labels(self, identity: str) -> dict[str, str]:
        """Return a node's labels."""
        found: dict[str, str] = self._nodes[identity]["Spec"]["Labels"]
        return found


def node(
    name: str, role: str = "worker", labels: dict[str, str] | None = None, *, ready: bool = True
) -> dict[str, Any]:
    return {
        "ID": name,
        "Version": {"Index": 7},
        "Spec": {
            "Role": role,
            "Availability": "active",
            "Labels": {"moor.node": name, **(labels or {})},
        },
        "Status": {"State": "ready" if ready else "down"},
    }


def run(engine: Engine, *volumes: str, constraints: tuple[str, ...] = ()) -> str:
    stands_for: Any = engine
    return pin(stands_for, "shop", volumes, constraints)


HERE = {"moor.volume.shop.data": "yes"}


def test_a_new_volume_goes_to_the_worker_that_has_the_fewest() -> None:
    engine = Engine(
        node("manager-1", "manager"),
        node("a", ready=False),
        node("b", labels={"moor.volume.shop.other": "yes"}),
        node("c"),
        node("d"),
    )
    assert run(engine, "data") == "volumes data are on c from now on"
    assert engine.labels("c") == {"moor.node": "c", **HERE}


def test_it_stays_where_it_is_whatever_else_changes() -> None:
    engine = Engine(node("a"), node("b", labels=HERE, ready=False))
    assert run(engine, "data", constraints=("node.labels.tier==x",)) == "volumes data stay on b"


def test_a_further_volume_of_the_service_joins_the_first() -> None:
    engine = Engine(node("a"), node("b", labels=HERE))
    assert run(engine, "data", "logs") == "volumes data, logs are on b from now on"
    assert engine.labels("b")["moor.volume.shop.logs"] == "yes"


def test_what_others_change_meanwhile_is_tried_again() -> None:
    engine = Engine(node("a"))
    engine.conflicts = 2
    run(engine, "data")
    assert engine.labels("a")["moor.volume.shop.data"] == "yes"


def test_pinning_fails_when_no_node_fits() -> None:
    engine = Engine(node("a"), node("b", labels={"tier": "db"}, ready=False))
    with pytest.raises(NoPlaceError) as caught:
        run(engine, "data", constraints=("node.labels.tier==db",))
    assert str(caught.value) == (
        "volumes data: must get a node that is ready with node.labels.tier==db, got none of 2; "
        "see moor node ls"
    )


def test_pinning_fails_when_volumes_of_one_service_are_on_two_nodes() -> None:
    engine = Engine(node("a", labels=HERE), node("b", labels={"moor.volume.shop.logs": "yes"}))
    with pytest.raises(NoPlaceError) as caught:
        run(engine, "data", "logs")
    assert str(caught.value) == (
        "volumes data, logs: must be on one node, since one service mounts them, got a, b; move "
        "the data, and take the label away: moor node label NAME moor.volume.shop.data-"
    )
