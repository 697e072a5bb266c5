"""What the values of a Compose file know of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.compose.model import ComposeProject, Port, Service
from constructs_lib.docker.container_options import ContainerOptions, Healthcheck


def tcp(published: tuple[int, int] | None, **more: Any) -> Port:  # noqa: ANN401  (its fields)
    return Port(**{"target": 80, "published": published, "protocol": "tcp", **more})


def test_each_replica_gets_the_next_port_of_a_range() -> None:
    assert [tcp((8000, 8002)).host_port(replica) for replica in range(3)] == [8000, 8001, 8002]
    assert tcp(None).host_port(0) is None


@pytest.mark.parametrize(
    ("address", "reachable"),
    [("0.0.0.0", True), ("::", True), ("192.0.2.1", True), ("127.0.0.2", False), ("::1", False)],  # noqa: S104
)
def test_what_other_computers_reach(address: str, reachable: bool) -> None:  # noqa: FBT001
    assert tcp((80, 80), host_ip=address).is_reachable is reachable


def test_container_names_are_composes() -> None:
    assert Service(name="web", replicas=2).container_names("moor") == ["moor-web-1", "moor-web-2"]
    assert Service(name="web", container_name="own").container_names("moor") == ["own"]


@pytest.mark.parametrize(
    ("check", "has_one"),
    [(None, False), (Healthcheck(test=("NONE",)), False), (Healthcheck(interval="5s"), True)],
)
def test_whether_the_file_gives_a_healthcheck(
    check: Healthcheck | None,
    has_one: bool,  # noqa: FBT001
) -> None:
    service = Service(name="web", options=ContainerOptions(healthcheck=check))
    assert service.has_healthcheck is has_one


def test_the_first_tcp_port_of_each_service_is_published() -> None:
    services = {
        "web": [tcp((81, 81)), tcp((80, 80))],
        "dns": [tcp((53, 53), protocol="udp")],
        "inside": [tcp((90, 90), host_ip="127.0.0.1")],
        "any": [tcp(None)],
    }
    project = ComposeProject(
        name="moor",
        file="compose.yaml",
        services={
            **{name: Service(name=name, ports=tuple(ports)) for name, ports in services.items()},
            "off": Service(name="off", replicas=0, ports=(tcp((70, 70)),)),
        },
        networks={},
        volumes={},
    )
    assert project.published_tcp_ports == {"web": 81}
