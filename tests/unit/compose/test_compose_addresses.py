"""Addresses and names of networks and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.addresses import address_problems
from constructs_lib.compose.parse import parse

if TYPE_CHECKING:
    from collections.abc import Mapping


def problems(
    networks: Mapping[str, Any] | None = None,
    volumes: Mapping[str, Any] | None = None,
    **services: Any,  # noqa: ANN401  (JSON)
) -> list[str]:
    document = {
        "name": "moor",
        "services": {name: {"image": "x", **keys} for name, keys in services.items()},
        "networks": {k: {"name": f"moor_{k}", **v} for k, v in (networks or {}).items()},
        "volumes": {k: {"name": f"moor_{k}", **v} for k, v in (volumes or {}).items()},
    }
    return list(address_problems(parse(document, file="c.yaml")))


def pools(*pools: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {"ipam": {"config": list(pools)}, **more}


IPV4 = {"subnet": "198.51.100.0/24", "ip_range": "198.51.100.128/25", "gateway": "198.51.100.1"}


def test_what_the_engine_takes() -> None:
    back = pools(IPV4, {"subnet": "2001:db8::/64"}, enable_ipv6=True)
    macvlan = pools({"subnet": "198.51.100.0/24"}, driver="macvlan")
    networks = {
        "back": back,
        "out": macvlan,
        "there": {"external": True, "name": "someones"},
        "plain": {},
    }
    fixed = {"back": {"ipv4_address": "198.51.100.3", "ipv6_address": "2001:db8::3"}}
    assert (
        problems(
            networks,
            {"a": {}, "b": {"driver": "nfs", "name": "a b"}, "c": {"external": True, "name": "/"}},
            web={"networks": fixed},
            db={"networks": {"back": {"ipv4_address": "198.51.100.4"}}},
            gone={"networks": fixed, "scale": 0},
            elsewhere={"networks": {"there": {"ipv4_address": "192.0.2.1"}}},
        )
        == []
    )


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            {"name": "host"},
            (
                "networks.n.name: must be none of the engine's own, bridge, host, none, got "
                "'host'; use the service's network_mode, or external: true"
            ),
        ),
        (
            {"driver": "host"},
            (
                "networks.n.driver: must make a network, got host, of which an engine has one; "
                "use the service's network_mode"
            ),
        ),
        (
            {"driver": "overlay"},
            (
                "networks.n.driver: must be of one machine, got overlay, which takes a swarm; "
                "leave it out"
            ),
        ),
        ({"labels": {"": "x"}}, "networks.n.labels: must have a name each, got none for 'x'"),
        (
            pools({"gateway": "192.0.2.1"}),
            "networks.n.ipam.config[0].subnet: must be there, got none; the engine asks for one",
        ),
        (
            pools({"subnet": "300.1.1.0/24"}),
            (
                "networks.n.ipam.config[0].subnet: must be addresses such as 192.0.2.0/24, got "
                "'300.1.1.0/24'"
            ),
        ),
        (
            pools({**IPV4, "ip_range": "198.51.0.0/16"}),
            (
                "networks.n.ipam.config[0].ip_range: must be a part of 198.51.100.0/24, got "
                "198.51.0.0/16"
            ),
        ),
        (
            pools({**IPV4, "ip_range": "2001:db8::/64"}),
            (
                "networks.n.ipam.config[0].ip_range: must be a part of 198.51.100.0/24, got "
                "2001:db8::/64"
            ),
        ),
        (
            pools({**IPV4, "ip_range": "x"}),
            "networks.n.ipam.config[0].ip_range: must be addresses such as 192.0.2.0/24, got 'x'",
        ),
        (
            pools({**IPV4, "gateway": "192.0.2.1"}),
            (
                "networks.n.ipam.config[0].gateway: must be an address of 198.51.100.0/24, got "
                "192.0.2.1"
            ),
        ),
        (
            pools({**IPV4, "aux_addresses": {"router": "x"}}),
            "networks.n.ipam.config[0].aux_addresses.router: must be an address, got 'x'",
        ),
    ],
)
def test_what_is_wrong_with_a_network(network: dict[str, Any], expected: str) -> None:
    assert problems({"n": network}) == [expected]


@pytest.mark.parametrize("name", ["host", "bridge", "none"])
def test_the_engines_own_networks_are_modes(name: str) -> None:
    there = {"there": {"external": True, "name": name}}
    assert problems(there, web={"networks": {"there": None}}) == [
        (
            "services.web.networks.there: must be a network with names for containers, got the "
            f"engine's own {name}; use network_mode: {name}"
        )
    ]
    assert problems(there) == []


def test_networks_that_share_addresses() -> None:
    assert problems({"a": pools(IPV4), "b": pools({"subnet": "198.51.0.0/16"})}) == [
        (
            "networks.b.ipam.config: must have addresses of its own, got 198.51.0.0/16, of which "
            "a has 198.51.100.0/24"
        )
    ]


def test_fixed_addresses() -> None:
    networks = {"back": pools(IPV4, {"subnet": "2001:db8::/64"}), "plain": {}}
    assert problems(
        networks,
        a={"networks": {"back": {"ipv4_address": "198.51.100.1"}}},
        b={"networks": {"back": {"ipv4_address": "198.51.100.9"}}},
        c={"networks": {"back": {"ipv4_address": "198.51.100.9"}}},
        d={"networks": {"back": {"ipv6_address": "2001:db8::3"}}},
        e={"networks": {"plain": {"ipv4_address": "192.0.2.1"}}},
    ) == [
        (
            "services.a.networks.back.ipv4_address: must be an address of its own, got "
            "198.51.100.1, which the gateway has"
        ),
        (
            "services.c.networks.back.ipv4_address: must be an address of its own, got "
            "198.51.100.9, which b has"
        ),
        (
            "services.d.networks.back.ipv6_address: must be of a subnet of networks.back.ipam, got "
            "2001:db8::3, and as subnets 198.51.100.0/24; IPv6 takes enable_ipv6, too"
        ),
        (
            "services.e.networks.plain.ipv4_address: must be of a subnet of networks.plain.ipam, "
            "got 192.0.2.1, and as subnets none"
        ),
    ]


def test_what_is_wrong_with_a_volume() -> None:
    assert problems(volumes={"v": {"name": "a b", "labels": {"": "x"}}}) == [
        (
            "volumes.v.name: must be two or more letters, digits, '_', '.' or '-', the first a "
            "letter or digit, got 'a b'"
        ),
        "volumes.v.labels: must have a name each, got none for 'x'",
    ]
