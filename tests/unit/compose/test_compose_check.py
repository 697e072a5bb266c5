"""Rules between services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.aws.firewall import EVERYWHERE, Opening
from constructs_lib.aws.port_range import PortRange
from constructs_lib.compose.check import check
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.parse import parse

if TYPE_CHECKING:
    from collections.abc import Mapping


def opening(ports: set[int | str]) -> list[Opening]:
    """Return what lets in these ports for services, and one beside them for the machine."""
    return [
        Opening(
            setting=setting,
            ports=tuple(map(PortRange.read, numbers)),
            cidrs=EVERYWHERE,
            description="x",
            for_services=setting != "ssh.port",
        )
        for setting, numbers in (("ssh.port", (81,)), ("a.ports", (9200,)), ("b.ports", ports))
    ]


def problems(
    services: Mapping[str, Any],
    ports: set[int | str] | None = None,
    **more: Any,  # noqa: ANN401
) -> list[str]:
    document = {
        "name": "moor",
        "services": {k: {"image": "x", **v} for k, v in services.items()},
        **more,
    }
    try:
        check(parse(document, file="c.yaml"), openings=None if ports is None else opening(ports))
    except ComposeError as error:
        return list(error.problems)
    return []


def _port(published: str, target: int = 80, **more: str) -> dict[str, Any]:
    return {"target": target, "published": published, "protocol": "tcp", **more}


def test_nothing_to_complain_of() -> None:
    assert problems({"a": {"ports": [_port("80")]}, "b": {"ports": [_port("81")]}}, {80, 81}) == []


def test_two_services_on_one_port() -> None:
    assert problems({"a": {"ports": [_port("80")]}, "b": {"ports": [_port("80")]}}) == [
        "c.yaml: services.b.ports: must not publish a port that a publishes, got 80/tcp"
    ]


def test_one_port_on_two_addresses_or_protocols_is_fine() -> None:
    one = {"ports": [_port("80", host_ip="127.0.0.1"), _port("53", protocol="udp")]}
    two = {"ports": [_port("80", host_ip="127.0.0.2"), _port("53")]}
    assert problems({"a": one, "b": two}) == []


def test_one_port_on_an_address_and_on_all() -> None:
    services = {"a": {"ports": [_port("80", host_ip="127.0.0.1")]}, "b": {"ports": [_port("80")]}}
    assert len(problems(services)) == 1


def test_replicas_need_a_port_each() -> None:
    one = {"deploy": {"replicas": 2}, "ports": [_port("80")]}
    assert problems({"a": one}) == [
        (
            "c.yaml: services.a.ports: must have a port for each of the 2 replicas, got 80 for "
            "port "
            "80; publish a range, or put a proxy in front"
        )
    ]
    assert problems({"a": one | {"ports": [_port("80-81")]}}, {80, 81}) == []


def test_replicas_have_no_name_of_their_own() -> None:
    assert problems({"a": {"scale": 2, "container_name": "one"}}) == [
        "c.yaml: services.a.container_name: must not be set for 2 replicas, got one; leave it out"
    ]


def test_two_containers_of_one_name() -> None:
    assert problems({"a": {"container_name": "moor-b-1"}, "b": {}}) == [
        "c.yaml: services.b.container_name: must differ from that of a, got moor-b-1 for both"
    ]


def test_a_circle() -> None:
    services = {
        "a": {"depends_on": {"b": {"condition": "service_started"}}},
        "b": {"network_mode": "service:c"},
        "c": {"depends_on": {"a": {"condition": "service_started"}}},
    }
    assert problems(services) == [
        (
            "c.yaml: services.a.depends_on: must not lead back to itself, got a -> b -> c -> a "
            "through depends_on, network_mode; remove one of them"
        )
    ]


def test_waiting_for_health_that_is_switched_off() -> None:
    services = {
        "a": {"depends_on": {"b": {"condition": "service_healthy"}}},
        "b": {"healthcheck": {"disable": True}},
    }
    assert problems(services) == [
        (
            "c.yaml: services.a.depends_on.b.condition: must not be service_healthy, since b "
            "switches "
            "its healthcheck off; give it one"
        )
    ]


def test_waiting_for_the_end_of_what_is_restarted() -> None:
    services = {
        "a": {"depends_on": {"b": {"condition": "service_completed_successfully"}}},
        "b": {"restart": "always"},
    }
    assert problems(services) == [
        (
            "c.yaml: services.a.depends_on.b.condition: must not be "
            "service_completed_successfully, "
            "since b is restarted for ever, got restart: always"
        )
    ]


def test_networks_and_volumes_that_are_not_there() -> None:
    service = {
        "networks": {"n": None},
        "volumes": [{"type": "volume", "source": "v", "target": "/v"}],
    }
    assert problems({"a": service}) == [
        "c.yaml: services.a.networks: must be a network of this file, got n",
        "c.yaml: services.a.volumes: must be a volume of this file, got v",
    ]
    volumes = {"v": {"name": "moor_v"}}
    assert problems({"a": service}, networks={"n": {}}, volumes=volumes) == []


def test_sharing_a_network_with_replicas() -> None:
    services = {"a": {"network_mode": "service:b"}, "b": {"scale": 2}}
    assert problems(services) == [
        (
            "c.yaml: services.a.network_mode: must name a service with one container, got 2 of "
            "them "
            "of b"
        )
    ]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (
            _port("81"),
            (
                "no security group opens port 81; add it to aws.a.ports or aws.b.ports, or "
                "publish on 127.0.0.1"
            ),
        ),
        (
            _port("80", protocol="udp"),
            (
                "no security group opens port 80/udp; add it to aws.a.ports or aws.b.ports, or "
                "publish on 127.0.0.1"
            ),
        ),
    ],
)
def test_a_port_that_the_firewall_holds_back(port: dict[str, Any], expected: str) -> None:
    assert problems({"a": {"ports": [port]}}, {80}) == [f"c.yaml: services.a.ports: {expected}"]
    assert problems({"a": {"ports": [port]}}) == []
    assert problems({"a": {"ports": [port | {"host_ip": "127.0.0.1"}]}}, {80}) == []


def test_udp_and_ranges_that_are_open() -> None:
    service = {"ports": [_port("53", protocol="udp"), _port("53"), _port("8001", host_ip="::")]}
    assert problems({"a": service}, {"53/udp", 53, "8000-8010"}) == []


def test_ports_in_a_row_that_are_closed_are_one_problem() -> None:
    numbers = [*range(10000, 10006), 10008]
    service = {"ports": [_port(str(n), n, protocol="udp") for n in numbers]}
    assert problems({"a": service}, {"10002/udp"}) == [
        (
            f"c.yaml: services.a.ports: no security group opens port {ports}; add it to "
            "aws.a.ports or aws.b.ports, or publish on 127.0.0.1"
        )
        for ports in ("10000-10001/udp", "10003-10005/udp", "10008/udp")
    ]


def test_a_port_left_to_the_engine_needs_no_opening() -> None:
    assert problems({"a": {"ports": [_port(""), _port("0", 81)]}}, {80}) == []


def test_all_of_both_families_is_one_publication_of_one_service() -> None:
    both = {"ports": [_port("80", host_ip=ip) for ip in ("0.0.0.0", "::", "0:0:0:0:0:0:0:0")]}  # noqa: S104
    assert problems({"a": both}, {80}) == []
    assert problems({"a": {"ports": [_port("80"), _port("80"), _port("80", host_ip="::1")]}}) == []
    assert problems({"a": both, "b": {"ports": [_port("80", host_ip="::1")]}}) == [
        "c.yaml: services.b.ports: must not publish a port that a publishes, got 80/tcp"
    ]
    families = {"a": {"ports": [_port("80")]}, "b": {"ports": [_port("80", host_ip="::")]}}
    assert len(problems(families)) == 1


def test_one_port_for_two_of_the_container_is_a_collision() -> None:
    assert problems({"a": {"ports": [_port("80", 1), _port("80", 2)]}}) == [
        "c.yaml: services.a.ports: must not publish a port that a publishes, got 80/tcp"
    ]


def test_on_the_machines_network_the_program_listens_where_it_listens() -> None:
    service = {"network_mode": "host", "ports": [_port("8080", host_ip="127.0.0.1")]}
    assert problems({"a": service}, {80}) == []
    assert problems({"a": service}, {8080}) == [
        (
            "c.yaml: services.a.ports: no security group opens port 80; add it to aws.a.ports or "
            "aws.b.ports, or publish on 127.0.0.1"
        )
    ]
    # What is discarded collides with nothing.
    assert problems({"a": service, "b": {"ports": [_port("8080", 1)]}}) == []
