"""The firewall: what is open, of which setting, and what a rule may not be."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthesis import ROOT

from constructs_lib.aws.firewall import EVERYWHERE, IngressRule, groups, openings
from constructs_lib.aws.port_range import PortRange
from constructs_lib.settings.settings import AwsSettings

tcp = PortRange.single
OFFICE = IPv4Network("203.0.113.0/24")
OPERATORS = IPv4Network("198.51.100.0/24")


def settings(**changes: object) -> AwsSettings:
    document: dict[str, object] = {
        "region": "eu-central-1",
        "ssh": {"cidrs": [str(OPERATORS)], "port": 2022},
        "docker_api": {"cidrs": [str(OFFICE)], "service_ports": [9200, 9300]},
        **changes,
    }
    return AwsSettings.model_validate(document)


def test_this_is_open_and_nothing_else() -> None:
    assert [
        (o.setting, o.ports, o.cidrs, o.description, o.for_services) for o in openings(settings())
    ] == [
        ("ssh.port", (tcp(2022),), (OPERATORS,), "SSH: the deployment and its operators", False),
        ("docker_api.port", (tcp(2376),), (OFFICE,), "Docker API behind mutual TLS", False),
        (
            "docker_api.service_ports",
            (tcp(9200), tcp(9300)),
            (OFFICE,),
            "a service for the users of the Docker API",
            True,
        ),
        ("http.ports", (tcp(80), tcp(443)), EVERYWHERE, "HTTP and HTTPS services", True),
    ]


def test_the_groups_are_these() -> None:
    assert [(g.id, g.name, g.description) for g in groups(settings())] == [
        ("AllowSsh", "allow-ssh", "SSH to the Docker host"),
        ("AllowDocker", "allow-docker", "The Docker API, and services for its users only"),
        ("AllowAllHttpHttps", "allow-all-http-https", "The web services"),
    ]


def test_a_group_has_a_rule_for_each_port_of_its_openings() -> None:
    _, docker_api, _ = groups(settings())
    service = "a service for the users of the Docker API"
    assert docker_api.ingress == (
        IngressRule(ports=tcp(2376), cidrs=(OFFICE,), description="Docker API behind mutual TLS"),
        IngressRule(ports=tcp(9200), cidrs=(OFFICE,), description=service),
        IngressRule(ports=tcp(9300), cidrs=(OFFICE,), description=service),
    )


def test_without_service_ports_the_group_has_the_api_only() -> None:
    _, docker_api, _ = groups(settings(docker_api={"cidrs": [str(OFFICE)]}))
    assert [rule.ports for rule in docker_api.ingress] == [tcp(2376)]


def test_every_opening_is_fed_by_a_setting_that_there_is() -> None:
    for opening in openings(settings()):
        found: object = settings()
        for part in opening.setting.split("."):
            found = getattr(found, part)
        single = (tcp(found),) if isinstance(found, int) else found
        assert opening.ports == single, opening.setting


def test_a_swarm_adds_one_group_that_lets_in_its_own_machines_and_nobody_else() -> None:
    *plain, swarm = groups(settings(), swarm=True)
    assert tuple(plain) == groups(settings())
    assert (swarm.id, swarm.name) == ("AllowSwarm", "allow-swarm")
    assert swarm.description == "The machines of the swarm among themselves"
    assert [(str(rule.ports), rule.from_group, rule.cidrs) for rule in swarm.ingress] == [
        ("2377", True, ()),
        ("7946", True, ()),
        ("7946/udp", True, ()),
        ("4789/udp", True, ()),
        ("esp", True, ()),
        ("5000", True, ()),
    ]
    assert not any(opening.for_services for opening in swarm.openings)
    assert openings(settings(), swarm=True) == (*openings(settings()), *swarm.openings)


def test_a_load_balancer_comes_from_the_group_of_the_web_services() -> None:
    balanced = settings(load_balancer={"ports": [443]})
    *_, web = groups(balanced)
    assert web.id == "AllowAllHttpHttps"
    assert [(r.ports, r.from_group) for r in web.ingress] == [
        (tcp(80), False),
        (tcp(443), False),
        (tcp(443), True),
    ]
    assert not web.openings[-1].for_services


def test_it_needs_no_node() -> None:
    found = "import sys, constructs_lib.aws.firewall; print('jsii' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", found], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


def test_udp_and_ranges_are_a_rule_each() -> None:
    *_, http = groups(settings(http={"ports": [80, "53/udp", 53, "10000-10999/udp"]}))
    assert [rule.ports for rule in http.ingress] == [
        tcp(80),
        PortRange(53, 53, "udp"),
        tcp(53),
        PortRange(10000, 10999, "udp"),
    ]


def test_a_rule_fails_when_it_names_no_network() -> None:
    with pytest.raises(ValueError, match="cidrs") as caught:
        IngressRule(ports=tcp(22), cidrs=(), description="x")
    assert str(caught.value) == "ingress rule: cidrs: must name a network for port 22, got none"


def test_a_rule_fails_when_it_names_a_network_and_its_own_group() -> None:
    with pytest.raises(ValueError, match="cidrs") as caught:
        IngressRule(ports=tcp(22), cidrs=(OFFICE,), from_group=True, description="x")
    assert str(caught.value) == (
        "ingress rule: cidrs: must name none beside from_group, got 203.0.113.0/24"
    )


def test_a_rule_fails_when_a_network_stands_twice() -> None:
    with pytest.raises(ValueError, match="cidrs") as caught:
        IngressRule(ports=tcp(22), cidrs=(OFFICE, OFFICE), description="x")
    assert str(caught.value) == (
        "ingress rule: cidrs: must name each network once, got 203.0.113.0/24, 203.0.113.0/24"
    )


@pytest.mark.parametrize("length", [0, 256])
def test_a_rule_fails_when_the_description_is_empty_or_too_long(length: int) -> None:
    with pytest.raises(ValueError, match="description") as caught:
        IngressRule(ports=tcp(22), cidrs=(OFFICE,), description="x" * length)
    assert str(caught.value) == (
        f"ingress rule: description: must be 1 to 255 characters, got {length}"
    )


NETWORKS = st.one_of(
    st.builds(
        lambda a, p: ip_network((a, p), strict=False), st.ip_addresses(v=4), st.integers(0, 32)
    ),
    st.builds(
        lambda a, p: ip_network((a, p), strict=False), st.ip_addresses(v=6), st.integers(0, 128)
    ),
)


@given(
    cidrs=st.lists(NETWORKS, max_size=3),
    length=st.sampled_from([0, 1, 2, 254, 255, 256]),
)
def test_a_rule_is_made_when_and_only_when_every_value_is_in_range(
    cidrs: list[IPv4Network | IPv6Network], length: int
) -> None:
    good = 0 < len(cidrs) == len(set(cidrs)) and 1 <= length <= 255

    def make() -> IngressRule:
        return IngressRule(ports=tcp(80), cidrs=tuple(cidrs), description="x" * length)

    if good:
        assert make().cidrs == tuple(cidrs)
    else:
        with pytest.raises(ValueError, match=r"^ingress rule: "):
            make()
