"""Services that the nodes of the settings cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.parse import parse
from constructs_lib.swarm.check import check_placement
from constructs_lib.swarm.node import SwarmNode

if TYPE_CHECKING:
    from constructs_lib.compose.model import ComposeProject

NODES = (
    SwarmNode(name="manager-1", is_manager=True),
    SwarmNode(name="web-1", is_manager=False, labels={"tier": "web"}),
    SwarmNode(name="web-2", is_manager=False, labels={"tier": "web"}),
)


def project(services: dict[str, dict[str, Any]], **more: Any) -> ComposeProject:  # noqa: ANN401
    whole = {name: {"image": "busybox", **body} for name, body in services.items()}
    return parse({"name": "shop", "services": whole, **more}, file="f.yaml", mesh=set())


def placed(*constraints: str, **deploy: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"deploy": {"placement": {"constraints": list(constraints)}, **deploy}}


def port(number: int) -> dict[str, Any]:
    return {"ports": [{"target": 80, "published": str(number), "mode": "host"}]}


GOOD = [
    {"one": {**placed("node.labels.tier==web", replicas=2), **port(80)}},
    {
        "one": {**port(80), **placed("node.role==manager")},
        "two": {**port(80), **placed("node.role==worker")},
    },
    {"one": {**port(80), **placed(mode="global")}},
    {"one": placed("node.hostname==somebody", "node.labels.moor.ip_vs==yes")},
]


@pytest.mark.parametrize("services", GOOD)
def test_what_the_nodes_can_run_is_taken(services: dict[str, dict[str, Any]]) -> None:
    check_placement(project(services), NODES)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (
            {"one": placed("node.labels.tier==db")},
            (
                "services.one.deploy.placement.constraints: must fit a node of the settings, got "
                "node.labels.tier==db, and none has it; the label tier there is web"
            ),
        ),
        (
            {"one": placed("node.labels.zone==a")},
            (
                "services.one.deploy.placement.constraints: must fit a node of the settings, got "
                "node.labels.zone==a, and none has it; the labels there are tier; add it to "
                "aws.machines.workers.POOL.labels"
            ),
        ),
        (
            {"one": placed("node.labels.tier==web", "node.role==manager")},
            (
                "services.one.deploy.placement.constraints: must fit a node of the settings all "
                "together, got node.labels.tier==web, node.role==manager, and none has all; leave "
                "some out"
            ),
        ),
        (
            {"one": {**port(80), **placed("node.labels.tier==web", replicas=3)}},
            (
                "services.one.ports: must not be published by more replicas than there are nodes "
                "for "
                "them, got 3 replicas with 80/tcp on 2 nodes; run fewer, or use deploy.mode: global"
            ),
        ),
        (
            {
                "one": {
                    "deploy": {
                        "replicas": 4,
                        "placement": {"max_replicas_per_node": 1},
                    }
                }
            },
            (
                "services.one.deploy.placement.max_replicas_per_node: must be enough for 4 "
                "replicas "
                "on 3 nodes, got 1; raise it"
            ),
        ),
        (
            {"one": port(80), "two": port(80)},
            (
                "services.two.ports: must not publish a port that one publishes, got 80/tcp, and "
                "manager-1 could run both; choose another one, or keep them apart by "
                "deploy.placement.constraints"
            ),
        ),
    ],
)
def test_checking_fails_when_the_nodes_cannot_run_it(
    services: dict[str, dict[str, Any]], expected: str
) -> None:
    with pytest.raises(ComposeError) as caught:
        check_placement(project(services), NODES)
    assert caught.value.problems == (f"f.yaml: {expected}",)


def test_checking_fails_when_replicas_at_one_volume_would_share_a_port() -> None:
    one = {
        **port(80),
        "deploy": {"replicas": 2},
        "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
    }
    with pytest.raises(ComposeError) as caught:
        check_placement(project({"one": one}, volumes={"data": {"name": "shop_data"}}), NODES)
    assert caught.value.problems == (
        (
            "f.yaml: services.one.ports: must not be published by 2 replicas that are all on the "
            "node "
            "with the volume data, got 80; run one"
        ),
    )
