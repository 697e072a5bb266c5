"""From Compose's JSON to values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.model import Attachment, Build, Dependency, Port
from constructs_lib.compose.parse import parse
from constructs_lib.docker.container_options import (
    ContainerOptions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.compose.model import Service


def service(**keys: Any) -> Service:  # noqa: ANN401  (JSON)
    return parse(_document(**keys), file="compose.yaml").services["web"]


def _document(**keys: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {
        "name": "moor",
        "services": {"web": {"image": "nginx", "command": None, "entrypoint": None, **keys}},
    }


def problem(**keys: Any) -> str:  # noqa: ANN401  (JSON)
    with pytest.raises(ComposeError) as caught:
        service(**keys)
    assert len(caught.value.problems) == 1, caught.value
    return caught.value.problems[0]


def test_a_plain_service() -> None:
    found = service()
    assert (found.image, found.options, found.replicas, found.pull, found.restart) == (
        "nginx",
        ContainerOptions(),
        1,
        "digest",
        "no",
    )
    assert found.container_names("moor") == ["moor-web-1"]


def test_ports_and_networks_and_dependencies() -> None:
    document = _document(
        ports=[
            {"mode": "ingress", "target": 80, "published": "8080-8081", "protocol": "tcp"},
            {"target": 53, "protocol": "udp", "host_ip": "127.0.0.1"},
        ],
        networks={"back": {"aliases": ["w"], "ipv4_address": "10.5.0.3"}, "default": None},
        depends_on={
            "db": {"condition": "service_healthy", "required": True, "restart": True},
            "gone": {"condition": "service_started", "required": False},
        },
    )
    document["services"]["db"] = {"image": "postgres"}
    found = parse(document, file="compose.yaml").services["web"]
    assert found.ports == (
        Port(target=80, published=(8080, 8081), protocol="tcp"),
        Port(target=53, published=None, protocol="udp", host_ip="127.0.0.1"),
    )
    assert found.networks == (
        Attachment(network="back", aliases=("w",), ipv4_address="10.5.0.3"),
        Attachment(network="default"),
    )
    assert found.depends_on == (
        Dependency(service="db", condition="service_healthy", restart=True),
    )


def test_a_link_is_an_alias_where_both_are() -> None:
    document = _document(
        links=["db", "db:sql", "db:db", "cache:memory"], networks={"back": None, "front": None}
    )
    document["services"] |= {
        "db": {"image": "db", "networks": {"back": {"aliases": ["store"]}, "own": None}},
        "cache": {"image": "cache", "networks": {"front": None, "back": None}},
        "other": {"image": "other", "networks": {"back": None}, "links": ["cache:fast"]},
    }
    found = parse(document, file="compose.yaml").services
    assert found["db"].networks == (
        Attachment(network="back", aliases=("store", "sql")),
        Attachment(network="own"),
    )
    assert found["cache"].networks == (
        Attachment(network="back", aliases=("fast", "memory")),
        Attachment(network="front", aliases=("memory",)),
    )
    assert found["web"].networks == (Attachment(network="back"), Attachment(network="front"))


def test_build(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.web").write_text("FROM scratch")
    raw = {
        "context": str(tmp_path),
        "dockerfile": "Dockerfile.web",
        "args": {"A": "1", "UNSET": None},
        "extra_hosts": ["a=1.2.3.4"],
    }
    assert service(build=raw).build == Build(
        context=str(tmp_path),
        dockerfile="Dockerfile.web",
        args={"A": "1"},
        options={"extra_hosts": ["a=1.2.3.4"]},
    )


def test_a_build_may_have_its_dockerfile_in_it(tmp_path: Path) -> None:
    raw = {"context": str(tmp_path), "dockerfile_inline": "FROM scratch\n"}
    assert service(build=raw).build == Build(
        context=str(tmp_path), dockerfile_inline="FROM scratch\n"
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"external_links": ["db"]}, ('services.web.external_links: is not supported, got ["db"]; '
         "join the network of the other container, as an external one")),
        ({"links": ["db:sql"]},
         "services.web.links[0]: must name a service of this file, got 'db:sql'"),
        ({"links": ["web:me"], "networks": None}, ("services.web.links[0]: must name a service "
         "that shares a network, got 'web:me'; put both on one")),
        ({"image": "x y"}, ("services.web.image: must be a reference such as "
         "docker.io/library/nginx:1.27, got 'x y'")),
        ({"entrypoint": []}, ("services.web.entrypoint: must have a word where command has none, "
         "got []; name the program in command")),
        ({"command": ["a", ""]}, ("services.web.command: must have no empty argument without an "
         "entrypoint, got ['a', '']; name the image's entry point in entrypoint, or the program "
         "where the image has none")),
        ({"mem_limit": "1000000"}, ("services.web.mem_limit: must be whole MiB, got 1000000 bytes; "
         "write 1m")),
        ({"pull_policy": "daily"}, ("services.web.pull_policy: must be always, missing, never or "
         "build, got daily; always asks at each plan")),
        ({"deploy": {"mode": "global-job"}}, ("services.web.deploy.mode: must be replicated or "
         "global, got 'global-job'; use replicas")),
        ({"restart": "on-failure:٣"}, ("services.web.restart: must end in a number of tries, got "
         "'٣'")),
        ({"scale": 99999}, "services.web.scale: must be in 0..1000, got 99999"),
        ({"gpus": [{"count": -5}]}, ("services.web.gpus[0].count: must be in -1..2147483647, got "
         "-5; all is all of them")),
        ({"gpus": [{"count": 2, "device_ids": ["0"]}]}, ("services.web.gpus[0].count: must not "
         "stand beside device_ids, got 2; use one")),
        ({"mac_address": "02:00:00:00:00:01", "network_mode": "host"}, ("services.web.mac_address: "
         "must stand beside networks, got 02:00:00:00:00:01 with network_mode host")),
        ({"mac_address": "02:00:00:00:00:01", "networks": {"a": {"mac_address":
         "02:00:00:00:00:02"}}}, ("services.web.mac_address: must be that of its network a, "
         "02:00:00:00:00:02, got 02:00:00:00:00:01; leave it out")),
        ({"restart": "always:3"}, ("services.web.restart: must be on-failure where tries are "
         "limited, got always:3")),
        ({"stop_grace_period": "1.5s"}, ("services.web.stop_grace_period: must be whole seconds, "
         "got 1.5s")),
        ({"cpus": 1, "cpu_quota": 5000}, ("services.web.cpu_quota: must not stand beside cpus, "
         "got 5000; use cpus")),
        ({"extra_hosts": ["a=::1"]}, ("services.web.extra_hosts: must be an IPv4 address, got ::1; "
         "the provider cannot read back IPv6 ones")),
        ({"ports": [{"target": 80, "published": "70000"}]}, ("services.web.ports[0].published: "
         "must be in 1..65535, got 70000")),
        ({"network_mode": "mine"}, ("services.web.network_mode: must be host, none, bridge or "
         "service:NAME, got 'mine'; use networks for a network")),
        ({"build": {"context": "/no/such"}}, ("services.web.build.context: must be a folder, got "
         "no such folder as /no/such")),
        ({"volumes": [{"type": "npipe", "source": "a", "target": "/a"}]},
         "services.web.volumes[0].type: must be bind, volume or tmpfs, got npipe"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_told(keys: dict[str, Any], expected: str) -> None:
    assert problem(**keys) == f"compose.yaml: {expected}"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ComposeError) as caught:
        service(annotations={"a": "b"}, uts="host", image="A B", command=[""])
    assert len(caught.value.problems) == 4


def test_the_mac_address_of_a_service_is_that_of_its_first_network() -> None:
    found = service(mac_address="02:00:00:00:00:01", networks={"b": None, "a": {}}).networks
    assert [(n.network, n.mac_address) for n in found] == [("a", "02:00:00:00:00:01"), ("b", None)]
    networks = {"b": {"priority": 5}, "a": {"priority": "none"}}
    found = service(mac_address="02:00:00:00:00:01", networks=networks).networks
    assert [(n.network, n.mac_address) for n in found] == [("a", None), ("b", "02:00:00:00:00:01")]


def test_the_name_of_an_interface_is_an_option_of_the_driver() -> None:
    (found,) = service(networks={"a": {"interface_name": "lan0", "driver_opts": {"x": 1}}}).networks
    assert found.driver_opts == {"x": "1", "com.docker.network.endpoint.ifname": "lan0"}


def test_one_container_everywhere_is_one_container_on_one_engine() -> None:
    assert service(deploy={"mode": "global"}).replicas == 1


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, None),
        ({"pids_limit": -1}, None),
        ({"pids_limit": 5}, 5),
        ({"deploy": {"resources": {"limits": {"pids": 7}}}, "pids_limit": -1}, 7),
    ],
)
def test_how_many_processes_there_may_be(keys: dict[str, Any], expected: int | None) -> None:
    assert service(**keys).pids_limit == expected


def test_a_number_of_processes_is_one() -> None:
    assert problem(pids_limit=-5) == (
        "compose.yaml: services.web.pids_limit: must be in 0..4194304, got -5"
    )


def test_addresses_of_ipv6_without_it_have_no_effect() -> None:
    networks = {"n": {"ipam": {"config": [{"subnet": "fd00::/64"}, {"subnet": "10.0.0.0/8"}]}}}
    found = parse({**_document(), "networks": networks}, file="c.yaml").warnings
    assert found == (
        (
            "c.yaml: networks.n.ipam.config[0].subnet: has no effect, got fd00::/64: the network "
            "has no enable_ipv6"
        ),
    )
    networks["n"]["enable_ipv6"] = True  # type: ignore[assignment]
    assert parse({**_document(), "networks": networks}, file="c.yaml").warnings == ()


def test_what_has_no_effect_is_told() -> None:
    document = _document(
        deploy={
            "placement": {"constraints": ["node.role == manager"]},
            "update_config": {"parallelism": 2},
            "endpoint_mode": "",
            "restart_policy": {"condition": "any", "delay": "5s"},
            "resources": {"reservations": {"cpus": "0.5"}},
        },
        mem_swappiness="0",
        develop={"watch": []},
    )
    assert parse(document, file="compose.yaml").warnings == (
        (
            'compose.yaml: services.web.deploy.placement: has no effect, got {"constraints": '
            '["node.role == manager"]}: it is for a swarm, and this is one engine'
        ),
        (
            'compose.yaml: services.web.deploy.update_config: has no effect, got {"parallelism": '
            "2}: it is for a swarm, and this is one engine"
        ),
        (
            "compose.yaml: services.web.deploy.restart_policy.delay: has no effect, got '5s': an "
            "engine chooses the delay"
        ),
        (
            "compose.yaml: services.web.deploy.resources.reservations.cpus: has no effect, got "
            "'0.5': an engine reserves no CPUs; `cpu_shares` is a weight"
        ),
        (
            "compose.yaml: services.web.mem_swappiness: has no effect, got '0': engines on cgroup "
            "v2, such as Flatcar's, discard it"
        ),
    )


def test_the_digest_changes_with_the_container_only() -> None:
    plain = service().config_hash
    assert service(environment={"A": "1"}).config_hash != plain
    assert service(restart="always").config_hash != plain
    assert service(deploy={"replicas": 3}).config_hash == plain
    assert service(pull_policy="always").config_hash == plain


def test_the_digest_does_not_know_where_the_project_lies(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a").write_text("a")
        mount = {"type": "bind", "source": str(folder / "a"), "target": "/a"}
        project = parse(_document(volumes=[mount]), file="c", folder=folder, local={("web", "/a")})
        digests.add(project.services["web"].config_hash)
    assert len(digests) == 1
