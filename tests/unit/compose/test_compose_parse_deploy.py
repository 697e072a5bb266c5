"""What a swarm is told of a service."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.compose.errors import ComposeError, Problems
from constructs_lib.compose.model import Deploy, RestartPolicy, UpdatePolicy
from constructs_lib.compose.parse import parse
from constructs_lib.compose.parse_deploy import go_duration, read_deploy

EVERY: dict[str, Any] = {
    "mode": "replicated",
    "replicas": 3,
    "endpoint_mode": "vip",
    "labels": {"team": "search"},
    "placement": {
        "constraints": ["node.labels.tier == web", "node.role!=manager"],
        "preferences": [{"spread": "node.labels.zone"}],
        "max_replicas_per_node": 2,
    },
    "resources": {
        "reservations": {
            "cpus": 0.25,
            "generic_resources": [{"discrete_resource_spec": {"kind": "disk", "value": 2}}],
        }
    },
    "restart_policy": {
        "condition": "on-failure",
        "delay": "1m30s",
        "max_attempts": 4,
        "window": "2h0m0s",
    },
    "update_config": {
        "parallelism": 0,
        "delay": "1.5s",
        "failure_action": "rollback",
        "monitor": "90s",
        "max_failure_ratio": 0.3,
        "order": "start-first",
    },
    "rollback_config": {"delay": "500ms"},
}


def read(raw: dict[str, Any], *, completes: bool = False) -> tuple[Deploy, list[str]]:
    problems = Problems("f.yaml")
    found = read_deploy(raw, "services.web", problems, completes=completes)
    return found, problems.found


def test_every_key_is_read() -> None:
    found, problems = read({"deploy": EVERY})
    assert problems == []
    assert found == Deploy(
        constraints=("node.labels.tier==web", "node.role!=manager"),
        spread="node.labels.zone",
        max_replicas_per_node=2,
        reserved_cpus=250_000_000,
        generic_resources={"disk": 2},
        endpoint_mode="vip",
        labels={"team": "search"},
        restart=RestartPolicy(condition="on-failure", delay="1m30s", max_attempts=4, window="2h"),
        update=UpdatePolicy(
            parallelism=0,
            delay="1.5s",
            failure_action="rollback",
            monitor="1m30s",
            max_failure_ratio="0.3",
            order="start-first",
        ),
        rollback=UpdatePolicy(delay="500ms"),
    )


def test_without_a_word_tasks_are_restarted_and_found_by_their_own_addresses() -> None:
    assert read({}) == (Deploy(endpoint_mode=None, restart=RestartPolicy(condition="any")), [])


@pytest.mark.parametrize(
    ("raw", "completes", "expected"),
    [
        ({"restart": "always"}, False, RestartPolicy(condition="any")),
        ({"restart": "unless-stopped"}, False, RestartPolicy(condition="any")),
        ({"restart": "no"}, False, RestartPolicy(condition="none")),
        ({"restart": "on-failure:3"}, False, RestartPolicy(condition="on-failure", max_attempts=3)),
        ({}, True, RestartPolicy(condition="none")),
        (
            {"restart": "no", "deploy": {"restart_policy": {"condition": "any", "delay": "1s"}}},
            False,
            RestartPolicy(condition="any", delay="1s"),
        ),
    ],
)
def test_restart_means_what_the_policy_says(
    raw: dict[str, Any], *, completes: bool, expected: RestartPolicy
) -> None:
    found, problems = read(raw, completes=completes)
    assert problems == []
    assert found.restart == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {"placement": {"constraints": ["node.labels.tier=web"]}},
            (
                "deploy.placement.constraints[0]: must be such as node.labels.tier==web, got "
                "'node.labels.tier=web'"
            ),
        ),
        (
            {"placement": {"constraints": ["node.role==boss"]}},
            (
                "deploy.placement.constraints[0]: must name the role manager or worker, got "
                "'node.role==boss'"
            ),
        ),
        (
            {"placement": {"constraints": ["node.zone==a"]}},
            (
                "deploy.placement.constraints[0]: must begin with one of node.id, node.hostname, "
                "node.ip, node.role, node.platform.os, node.platform.arch, or with node.labels. or "
                "engine.labels. and a label, got 'node.zone==a'"
            ),
        ),
        (
            {
                "placement": {
                    "preferences": [{"spread": "node.labels.a"}, {"spread": "node.labels.b"}]
                }
            },
            (
                "deploy.placement.preferences: must be one, since the provider keeps no order, "
                "got 2; "
                "choose one"
            ),
        ),
        (
            {"update_config": {"max_failure_ratio": 0.25}},
            (
                "deploy.update_config.max_failure_ratio: must be in tenths from 0.0 to 1.0, which "
                "is "
                "what the provider keeps, got 0.25"
            ),
        ),
        (
            {"rollback_config": {"failure_action": "rollback"}},
            "deploy.rollback_config.failure_action: must be pause or continue, got 'rollback'",
        ),
        (
            {"update_config": {"delay": "soon"}},
            "deploy.update_config.delay: must be a time such as 10s, got 'soon'",
        ),
        (
            {"mode": "global", "replicas": 3},
            "deploy.replicas: must not stand beside mode: global, got 3; leave one of them out",
        ),
        ({"endpoint_mode": "anycast"}, "deploy.endpoint_mode: must be dnsrr or vip, got 'anycast'"),
    ],
)
def test_reading_fails_when_a_value_cannot_be_honoured(raw: dict[str, Any], expected: str) -> None:
    assert read({"deploy": raw})[1] == [f"f.yaml: services.web.{expected}"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (5, "5s"),
        (90, "1m30s"),
        (60, "1m"),
        (3600, "1h"),
        (7260, "2h1m"),
        (1.5, "1.5s"),
        (0.25, "250ms"),
        (3601, "1h0m1s"),
        (0.0000015, "1.5µs"),
    ],
)
def test_durations_are_written_as_the_provider_reads_them_back(
    seconds: float, expected: str
) -> None:
    assert go_duration(seconds) == expected


def test_what_a_swarm_cannot_do_is_told_all_at_once_with_its_remedy() -> None:
    service = {
        "image": "busybox",
        "privileged": True,
        "container_name": "mine",
        "network_mode": "host",
        "shm_size": "1048576",
        "devices": [{"source": "/dev/a", "target": "/dev/a", "permissions": "rwm"}],
        "networks": {"default": {"ipv4_address": "192.0.2.7"}},
        "ports": [{"target": 80, "published": "8000-8001", "host_ip": "127.0.0.1"}],
    }
    with pytest.raises(ComposeError) as caught:
        parse(
            {
                "name": "shop",
                "services": {"web": service},
                "networks": {"default": {"name": "shop_default", "driver": "bridge"}},
            },
            file="f.yaml",
            mesh=set(),
        )
    assert caught.value.problems == (
        (
            "f.yaml: services.web.privileged: is not supported, got true; leave it out: a swarm "
            "runs "
            "no privileged tasks; use `cap_add`"
        ),
        (
            "f.yaml: services.web.container_name: is not supported, got 'mine'; leave it out: "
            "several "
            "nodes run tasks; others use the service's name"
        ),
        "f.yaml: services.web.network_mode: is not supported, got 'host'; use `networks`",
        (
            "f.yaml: services.web.shm_size: is not supported, got '1048576'; mount a `tmpfs` of "
            "that "
            "size at `/dev/shm`"
        ),
        (
            'f.yaml: services.web.devices: is not supported, got [{"source": "/dev/a", "target": '
            '"/dev/a", "permissions": ...; leave it out: a swarm hands out no devices'
        ),
        (
            "f.yaml: services.web.networks.default.ipv4_address: is not supported, got "
            "'192.0.2.7'; "
            "leave it out: in a swarm tasks come and go; use the service's name"
        ),
        (
            "f.yaml: services.web.ports[0].host_ip: is not supported, got '127.0.0.1'; leave it "
            "out: a "
            "swarm publishes on all addresses of a node"
        ),
        (
            "f.yaml: services.web.ports: must publish one port in a swarm, got 8000-8001 for port "
            "80; "
            "each node that runs a task has it"
        ),
        (
            "f.yaml: networks.default.driver: must be overlay, which reaches all nodes of a swarm, "
            "got 'bridge'; leave it out"
        ),
    )


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            {"tmpfs": ["/a:mode=4755"]},
            (
                "services.web.tmpfs: must have no options but such as size=64m and mode=1777 or "
                "mode=755 in a swarm, got 'mode=4755' for /a; leave it out"
            ),
        ),
        (
            {"tmpfs": ["/a:noexec"]},
            (
                "services.web.tmpfs: must have no options but such as size=64m and mode=1777 or "
                "mode=755 in a swarm, got 'noexec' for /a; leave it out"
            ),
        ),
        (
            {"volumes": [{"type": "tmpfs", "target": "/a", "tmpfs": {"mode": 0o2755}}]},
            (
                "services.web.volumes: must have a tmpfs.mode of 01777, which is so anyway, or at "
                "most "
                "0777 in a swarm, got 0o2755 for /a; the provider keeps no other"
            ),
        ),
    ],
)
def test_reading_fails_when_a_folder_in_memory_could_not_be_so(
    service: dict[str, Any], expected: str
) -> None:
    document = {"name": "shop", "services": {"web": {"image": "busybox", **service}}}
    with pytest.raises(ComposeError) as caught:
        parse(document, file="f.yaml", mesh=set())
    assert caught.value.problems == (f"f.yaml: {expected}",)
