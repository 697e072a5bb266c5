"""Which nodes cannot do virtual addresses and the mesh."""

from __future__ import annotations

from typing import Any

from constructs_lib.swarm.mesh import nodes_without


def node(name: str, **labels: str) -> dict[str, Any]:
    return {"ID": name, "Spec": {"Role": "worker", "Labels": {"moor.node": name, **labels}}}


def test_a_node_without_ip_vs_is_told_and_one_of_which_nobody_knows() -> None:
    nodes = [
        node("c"),
        node("a", **{"moor.ip_vs": "yes"}),
        node("b", **{"moor.ip_vs": "no"}),
    ]
    assert nodes_without(nodes) == {"b": "no", "c": "not known"}
