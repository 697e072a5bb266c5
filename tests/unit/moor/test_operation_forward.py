"""A port of this computer, and where it leads."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from moor.failure import CommandError, WrongUseError
from moor.operation import forward
from moor.operation.containers import Placed
from moor.operation.forward import Ports, address_of
from moor.operation.hosts import Host

HOST = Host(
    name="machine",
    address="192.0.2.7",
    private_address="",
    port=2376,
    instance_id="i-1",
    ssh=(),
    certificates=(),
)
PLACED = Placed(
    host=HOST, id="c1", service="web", number=1, name="moor-web-1", state="running", status="Up"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5432", (5432, 5432)), ("15432:5432", (15432, 5432)), ("0:80", (0, 80))],
)
def test_ports(text: str, expected: tuple[int, int]) -> None:
    ports = Ports.read(text)
    assert (ports.local, ports.remote) == expected


@pytest.mark.parametrize("text", ["", "web", "0", "1:0", "65536", "1:2:3", "-1:80", "80:"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(WrongUseError) as caught:
        Ports.read(text)
    assert str(caught.value) == (
        f"port: must be REMOTE or LOCAL:REMOTE, each 1 to 65535, got {text!r}; LOCAL may be 0, "
        "for one that is free"
    )


def container(mode: str, **addresses: str) -> dict[str, Any]:
    networks = {name: {"IPAddress": address} for name, address in addresses.items()}
    return {"HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": networks}}


def test_a_container_is_reached_where_its_machine_reaches_it() -> None:
    assert address_of(PLACED, container("host"), {}) == "127.0.0.1"
    found = container("a", none="", a="172.18.0.2")
    assert address_of(PLACED, found, {}) == "172.18.0.2"
    # In a swarm its own network is over several machines, and none of its machine's.
    bridge = {"Containers": {"c1": {"IPv4Address": "172.19.0.3/16"}}}
    assert address_of(PLACED, container("x", over="10.0.1.3"), bridge) == "172.19.0.3"
    for alone, beside in ((container("none"), {}), (container("x", over="10.0.1.3"), {"x": 1})):
        with pytest.raises(CommandError, match="web-1: must have an address that its machine"):
            address_of(PLACED, alone, beside)


def test_a_port_that_somebody_has_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(CommandError) as caught:
            forward._free(taken)
    assert str(caught.value) == (
        f"port {taken}: must be free on this computer, got: Address already in use; choose "
        "another one, as LOCAL:REMOTE, or 0 for any"
    )
    assert forward._free(0) > 0


def test_a_way_is_another_one_where_the_container_or_its_address_is() -> None:
    way = forward._Way(PLACED, "172.18.0.2")
    assert way.end == ("c1", "172.18.0.2")
