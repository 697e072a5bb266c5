"""What of a service becomes no option, and has to be what the engine takes."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.parse import parse


def problems(**keys: Any) -> list[str]:  # noqa: ANN401  (JSON)
    document = {
        "name": "moor",
        "services": {"web": {"image": "nginx", **keys}},
        "networks": {"n": {"name": "moor_n"}},
    }
    try:
        parse(document, file="c.yaml")
    except ComposeError as error:
        return [problem.removeprefix("c.yaml: services.web.") for problem in error.problems]
    return []


def mount(target: str, kind: str = "volume", source: str = "v") -> dict[str, Any]:
    return {"type": kind, "source": source, "target": target}


def test_what_the_engine_takes() -> None:
    assert (
        problems(
            container_name="web",
            hostname="web",
            environment={"A": "=", "B": None},
            volumes=[mount("/a"), mount("/a/b"), mount("//c"), mount("/d", "bind", "/d")],
            tmpfs=["/t"],
            networks={
                "n": {
                    "ipv4_address": "192.0.2.1",
                    "ipv6_address": "::1",
                    "link_local_ips": ["169.254.1.1", ""],
                    "mac_address": "02:00:00:00:00:01",
                    "gw_priority": 5,
                }
            },
        )
        == []
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"container_name": "a"},
            [
                (
                    "container_name: must be two or more letters, digits, '_', '.' or '-', the "
                    "first a letter or digit, got 'a'"
                )
            ],
        ),
        (
            {"hostname": "x" * 65},
            [f"hostname: must have at most 64 bytes, got 65 of them in '{'x' * 65}'"],
        ),
        (
            {"image": "Nginx"},
            ["image: must be in lower case, but for its tag, got 'Nginx'; write nginx"],
        ),
        (
            {"environment": {"A=B": "x", "": "y"}},
            [
                "environment: must have no '=' in its name, got 'A=B'",
                "environment: must have a name, got a variable without one",
            ],
        ),
        (
            {"volumes": [mount("/"), mount("//."), mount("/a"), mount("/a/")], "tmpfs": ["/t:rw"]},
            [
                "volumes[0].target: must be a path below /, got '/'",
                "volumes[1].target: must be a path below /, got '//.'",
                (
                    "volumes[3].target: must be a path of its own, got /a/, as "
                    "services.web.volumes[2] has"
                ),
            ],
        ),
        (
            {"volumes": [mount("/t", "tmpfs")], "tmpfs": ["/t:rw"]},
            ["volumes[0].target: must be a path of its own, got /t, as services.web.tmpfs has"],
        ),
        (
            {"volumes": [mount("/a:b", "bind", "/c:d") | {"bind": {"create_host_path": True}}]},
            [
                "volumes[0].source: must have no colon, which the engine reads, got '/c:d'",
                "volumes[0].target: must have no colon, which the engine reads, got '/a:b'",
            ],
        ),
        (
            {"volumes": [mount("/a", "bind", "/c:d")]},
            ["volumes[0].source: must have no colon, which the engine reads, got '/c:d'"],
        ),
        (
            {
                "networks": {
                    "n": {
                        "ipv4_address": "x",
                        "ipv6_address": "192.0.2.1",
                        "link_local_ips": ["y"],
                        "mac_address": "z",
                        "gw_priority": -1,
                    }
                }
            },
            [
                "networks.n.ipv4_address: must be an IPv4 address, got 'x'",
                "networks.n.ipv6_address: must be an IPv6 address, got '192.0.2.1'",
                "networks.n.mac_address: must be a MAC address such as 02:42:ac:11:00:02, got 'z'",
                "networks.n.link_local_ips: must be an address, got 'y'",
                "networks.n.gw_priority: must be 0 or more, got -1; the provider takes no other",
            ],
        ),
        ({"deploy": {"replicas": "٣"}}, ["deploy.replicas: must be a whole number, got '٣'"]),
        (
            {"command": ["a\0b"], "environment": {"A": "\0"}},
            [
                "environment.A: must have no NUL character, got one; leave it out",
                "command[0]: must have no NUL character, got one; leave it out",
            ],
        ),
        ({"x-mine": "\0"}, ["x-mine: must have no NUL character, got one; leave it out"]),
        ({"labels": {"\0": "a"}}, ["labels: must have no NUL character, got one; leave it out"]),
    ],
)
def test_what_it_refuses(keys: dict[str, Any], expected: list[str]) -> None:
    assert problems(**keys) == expected


@pytest.mark.parametrize(
    "how", [{"create_host_path": False}, {"create_host_path": True, "propagation": "rslave"}]
)
def test_a_mount_that_is_told_part_by_part_may_have_a_colon(how: dict[str, Any]) -> None:
    assert problems(volumes=[mount("/a:b", "bind", "/c:d") | {"bind": how}]) == []


def test_a_deep_extension_is_no_matter() -> None:
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    assert parse({"name": "moor", "services": {}, "x-a": deep}, file="c.yaml").services == {}
