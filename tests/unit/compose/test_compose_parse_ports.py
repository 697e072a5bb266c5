"""The published ports of a service."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.compose.errors import Problems
from constructs_lib.compose.model import Port, Service
from constructs_lib.compose.parse_ports import ports_without_effect, read_ports
from constructs_lib.docker.container_options import ContainerOptions

HTTP = Port(target=80, published=(8080, 8080), protocol="tcp")


def read(*entries: dict[str, Any]) -> tuple[tuple[Port, ...], list[str]]:
    problems = Problems("c.yaml")
    return read_ports({"ports": list(entries)}, "services.w", problems), problems.found


def entry(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp", **changes}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (entry(), HTTP),
        (entry(protocol=None), HTTP),
        (entry(protocol="UDP"), replace(HTTP, protocol="udp")),
        (entry(published="8000-8010"), replace(HTTP, published=(8000, 8010))),
        (entry(published=None), replace(HTTP, published=None)),
        (entry(published="0"), replace(HTTP, published=None)),
        (entry(host_ip="::"), replace(HTTP, host_ip="::")),
        (entry(host_ip="0:0:0:0:0:0:0:1"), replace(HTTP, host_ip="::1")),
        # As the engine reads it back; else each plan would differ.
        (entry(host_ip="::ffff:192.0.2.1"), replace(HTTP, host_ip="192.0.2.1")),
    ],
)
def test_a_port(given: dict[str, Any], expected: Port) -> None:
    assert read(given) == ((expected,), [])


def test_one_that_is_there_twice_is_one() -> None:
    twice = entry(host_ip="0.0.0.0")  # noqa: S104
    assert read(entry(), twice, entry(protocol="udp"))[0] == (HTTP, replace(HTTP, protocol="udp"))


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"target": 0}, ["target: must be in 1..65535, got 0"]),
        ({"target": None}, ["target: must be in 1..65535, got 0"]),
        ({"target": 70000}, ["target: must be in 1..65535, got 70000"]),
        ({"published": "70000"}, ["published: must be in 1..65535, got 70000"]),
        ({"published": "9-8"}, ["published: must be in 1..65535, got 9-8"]),
        *(
            (
                {"published": value},
                [f"published: must be a port or a range such as 8000-8010, got {value!r}"],
            )
            for value in ("x", "80-", "-80", "\u0663", "\u00b2", "1" * 5000)
        ),
        ({"protocol": "icmp"}, ["protocol: must be tcp, udp or sctp, got 'icmp'"]),
        ({"host_ip": "localhost"}, ["host_ip: must be an address, got 'localhost'"]),
        (
            {"target": 0, "published": "x", "protocol": "icmp"},
            [
                "target: must be in 1..65535, got 0",
                "published: must be a port or a range such as 8000-8010, got 'x'",
                "protocol: must be tcp, udp or sctp, got 'icmp'",
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(changes: dict[str, Any], problems: list[str]) -> None:
    found = read(entry(), entry(**changes))
    assert found == ((HTTP,), [f"c.yaml: services.w.ports[1].{problem}" for problem in problems])


WORDS = st.none() | st.text(max_size=8) | st.from_regex(r"[0-9]{0,6}(-[0-9]{0,6})?", fullmatch=True)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "target": st.none() | st.integers(0, 2**32 - 1),
            "published": WORDS,
            "protocol": WORDS | st.sampled_from(["tcp", "udp", "sctp", "icmp", "TCP"]),
            "host_ip": WORDS | st.ip_addresses().map(str),
        },
    )
)
def test_whatever_compose_hands_on_is_a_port_or_a_problem(given: dict[str, Any]) -> None:
    ports, problems = read(given)
    assert (len(ports) == 1) != bool(problems)
    for port in ports:
        assert 1 <= port.target <= 65535
        assert port.protocol in ("tcp", "udp", "sctp")
        assert port.published is None or 1 <= port.published[0] <= port.published[1] <= 65535
        assert str(ip_address(port.host_ip)) == port.host_ip


@pytest.mark.parametrize(
    ("mode", "instead"),
    [
        (
            "host",
            (
                "the program listens on the machine's own ports, and others reach it there as far "
                "as a security group lets them"
            ),
        ),
        ("none", "nobody reaches it"),
    ],
)
def test_ports_that_the_engine_discards_are_told(mode: str, instead: str) -> None:
    lone = Service(name="w", ports=(HTTP,), options=ContainerOptions(network_mode=mode))
    assert list(ports_without_effect([lone, replace(lone, ports=())])) == [
        (
            f"services.w.ports: have no effect with network_mode: {mode}: the engine discards "
            f"them, and {instead}; leave them out"
        )
    ]


@pytest.mark.parametrize("mode", [None, "bridge"])
def test_others_are_published(mode: str | None) -> None:
    service = Service(name="w", ports=(HTTP,), options=ContainerOptions(network_mode=mode))
    assert list(ports_without_effect([service])) == []
