"""Which nodes fit the constraints of a service."""

from __future__ import annotations

import pytest

from constructs_lib.swarm.node import SwarmNode
from constructs_lib.swarm.placement import Place, fits, place_from, place_of

THERE = Place(
    name="web-1",
    role="worker",
    labels={"tier": "web", "moor.volume.shop.data": "yes"},
    id="n1",
    hostname="ip-10-0-0-1",
    address="10.0.0.1",
    os="linux",
    architecture="x86_64",
    engine_labels={"disk": "ssd"},
)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("node.labels.tier==web", True),
        ("node.labels.tier == WEB", True),
        ("node.labels.tier==db", False),
        ("node.labels.tier!=db", True),
        ("node.labels.zone==a", False),
        ("node.labels.zone!=a", True),
        ("node.labels.moor.volume.shop.data==yes", True),
        ("node.role==worker", True),
        ("node.role!=worker", False),
        ("node.id==n1", True),
        ("node.hostname!=ip-10-0-0-1", False),
        ("node.ip==10.0.0.1", True),
        ("node.platform.os==linux", True),
        ("node.platform.arch==aarch64", False),
        ("engine.labels.disk==ssd", True),
        ("engine.labels.disk==hdd", False),
    ],
)
def test_a_constraint_is_read_as_swarm_reads_it(constraint: str, *, expected: bool) -> None:
    assert fits(THERE, [constraint]) is expected


def test_all_constraints_have_to_fit() -> None:
    assert fits(THERE, ["node.labels.tier==web", "node.role==worker"])
    assert not fits(THERE, ["node.labels.tier==web", "node.role==manager"])


def test_what_nobody_knows_of_a_node_that_is_to_be_fits() -> None:
    place = place_of(SwarmNode(name="manager-1", is_manager=True, labels={"tier": "web"}))
    assert fits(place, ["node.hostname==x", "node.labels.moor.ip_vs==yes", "engine.labels.a==b"])
    assert fits(place, ["node.role==manager", "node.labels.tier==web"])
    assert not fits(place, ["node.labels.zone==a"])


def test_a_node_is_read_from_what_the_engine_says() -> None:
    node = {
        "ID": "n1",
        "Spec": {"Role": "manager", "Availability": "drain", "Labels": {"moor.node": "manager-1"}},
        "Description": {
            "Hostname": "h",
            "Platform": {"OS": "linux", "Architecture": "x86_64"},
            "Engine": {},
        },
        "Status": {"State": "ready", "Addr": "10.0.0.1"},
    }
    assert place_from(node) == Place(
        name="manager-1",
        role="manager",
        labels={"moor.node": "manager-1"},
        id="n1",
        hostname="h",
        address="10.0.0.1",
        os="linux",
        architecture="x86_64",
        engine_labels={},
        is_ready=False,
    )
