"""Which ports the security groups open."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from sandbox.api.firewall import (
    WELL_KNOWN,
    WIDEST_RANGE,
    IngressRule,
    OpenPorts,
    admissions,
    open_ports,
)
from sandbox.machines.packet_filter import ALL, Admission
from sandbox.ports import OpenPort


def tcp(*numbers: int) -> frozenset[OpenPort]:
    return frozenset(OpenPort("tcp", number) for number in numbers)


def rule(
    first: int | None,
    last: int | None = None,
    *,
    cidr: str = "127.0.0.0/8",
    protocol: str = "tcp",
) -> IngressRule:
    return IngressRule(
        protocol=protocol, from_port=first, to_port=first if last is None else last, cidr=cidr
    )


def test_nothing_is_open_without_a_rule() -> None:
    assert open_ports([]) == OpenPorts(ports=frozenset())


def test_a_rule_opens_its_ports() -> None:
    assert open_ports([rule(22), rule(8000, 8002)]).ports == tcp(22, 8000, 8001, 8002)


def test_a_rule_for_others_opens_nothing() -> None:
    rules = [
        rule(22, cidr="203.0.113.0/24"),
        rule(80, cidr=""),
        rule(53, protocol="udp", cidr="203.0.113.0/24"),
        rule(-1, protocol="icmp"),
    ]
    assert open_ports(rules) == OpenPorts(ports=frozenset())


def test_udp_is_opened_apart_from_tcp() -> None:
    opened = open_ports([rule(53), rule(53, 54, protocol="udp")])
    assert opened == OpenPorts(ports=tcp(53) | {OpenPort("udp", 53), OpenPort("udp", 54)}, notes=())


def test_a_wide_range_of_udp_opens_what_is_known_of_it_and_says_so() -> None:
    opened = open_ports([rule(400, 5000, protocol="udp")])
    assert {port.protocol for port in opened.ports} == {"udp"}
    assert sorted(port.number for port in opened.ports) == [443, 500, 514, 1194, 3478, 4500]
    assert opened.notes[0].startswith("ports 400-5000/udp from 127.0.0.0/8: only 443, 500, ")


def test_sctp_is_told_and_not_opened() -> None:
    assert open_ports([rule(-1, protocol="132")]) == OpenPorts(
        ports=frozenset(),
        notes=(
            (
                "SCTP from 127.0.0.0/8: not opened, as gates hand on TCP and UDP; it is let in "
                "between machines"
            ),
        ),
    )


def test_who_calls_decides() -> None:
    rules = [rule(22, cidr="203.0.113.0/24")]
    assert open_ports(rules, IPv4Address("203.0.113.7")).ports == tcp(22)


def test_a_network_with_host_bits_is_understood() -> None:
    assert open_ports([rule(22, cidr="127.0.0.1/8")]).ports == tcp(22)


def test_everything_opens_the_well_known_ports_and_says_so() -> None:
    opened = open_ports([rule(None, cidr="0.0.0.0/0", protocol="-1")])
    assert opened.ports == tcp(*WELL_KNOWN)
    assert len(opened.notes) == 1
    assert opened.notes[0].startswith("ports 0-65535 from 0.0.0.0/0: only 22, 80, ")


def test_a_wide_range_without_well_known_ports_opens_none() -> None:
    opened = open_ports([rule(20000, 30000)])
    assert opened.ports == frozenset()
    assert opened.notes == (
        (
            "ports 20000-30000 from 127.0.0.0/8: only none opened, as ranges of more than "
            f"{WIDEST_RANGE} ports are not opened one by one"
        ),
    )


def test_the_widest_range_is_opened_whole() -> None:
    assert len(open_ports([rule(1000, 1000 + WIDEST_RANGE - 1)]).ports) == WIDEST_RANGE
    assert open_ports([rule(1000, 1000 + WIDEST_RANGE)]).notes != ()


@given(st.lists(st.integers(min_value=1, max_value=65535), max_size=20))
def test_single_ports_are_opened_exactly(ports: list[int]) -> None:
    assert open_ports([rule(port) for port in ports]) == OpenPorts(ports=tcp(*ports))


def admitted(protocol: str, first: int | None, last: int | None, source: str) -> Admission:
    return Admission(protocol=protocol, first=first, last=last, source=IPv4Network(source))


def test_other_machines_are_let_in_by_their_networks_and_their_groups() -> None:
    members = {"sg-1": [IPv4Address("172.30.19.6"), IPv4Address("172.30.19.5")], "sg-2": []}
    rules = [
        rule(22, cidr="172.30.19.5/16"),
        IngressRule(protocol="udp", from_port=4789, to_port=4790, cidr="", group="sg-1"),
        IngressRule(protocol="50", from_port=-1, to_port=-1, cidr="", group="sg-1"),
        IngressRule(protocol="-1", from_port=None, to_port=None, cidr="0.0.0.0/0"),
        IngressRule(protocol="icmp", from_port=8, to_port=-1, cidr="10.0.0.0/8"),
        # A group without members, one that is not there, and a network of version 6.
        IngressRule(protocol="tcp", from_port=1, to_port=1, cidr="", group="sg-2"),
        IngressRule(protocol="tcp", from_port=1, to_port=1, cidr="", group="sg-3"),
        rule(80, cidr=""),
    ]
    assert list(admissions(rules, members)) == [
        admitted("tcp", 22, 22, "172.30.0.0/16"),
        admitted("udp", 4789, 4790, "172.30.19.5/32"),
        admitted("udp", 4789, 4790, "172.30.19.6/32"),
        admitted("50", None, None, "172.30.19.5/32"),
        admitted("50", None, None, "172.30.19.6/32"),
        admitted(ALL, None, None, "0.0.0.0/0"),
        admitted("icmp", 8, None, "10.0.0.0/8"),
    ]
