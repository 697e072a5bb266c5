"""What the provider is told of a service in a swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.compose.reader import load_project
from constructs_lib.swarm.service_spec import (
    File,
    pinned_volumes,
    service_arguments,
    service_name,
    volume_label,
)

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.compose.model import ComposeProject

MIB = 1024 * 1024
OURS = [
    {"label": "com.docker.compose.project", "value": "shop"},
    {"label": "com.docker.compose.service", "value": "one"},
    {"label": "com.docker.stack.namespace", "value": "shop"},
]


def read(folder: Path, service: str, rest: str = "") -> ComposeProject:
    """Return a project whose one service is given."""
    file = folder / "compose.yaml"
    body = "".join(f"    {line}\n" for line in service.strip().splitlines())
    file.write_text(f"services:\n  one:\n    image: busybox\n{body}{rest}")
    environment = {"PATH": "/usr/bin:/bin"}
    return load_project([file], name="shop", environment=environment, swarm=True)


def told(folder: Path, service: str, rest: str = "", *files: File) -> dict[str, Any]:
    """Return what the provider is told of that service."""
    project = read(folder, service, rest)
    return service_arguments(
        project,
        project.services["one"],
        image="busybox@sha256:1",
        networks={key: f"id-of-{key}" for key in project.networks},
        files=files,
    )


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "program": (
        "entrypoint: [/bin/sh, -c]\ncommand: ['echo $$HOME']",
        {"command": ["/bin/sh", "-c"], "args": ["echo $HOME"]},
    ),
    "environment": ("environment: {A: '1=2', B: ''}", {"env": {"A": "1=2", "B": ""}}),
    "user": (
        "user: '1:2'\ngroup_add: ['3']\nworking_dir: /w\nhostname: h\nread_only: true\ninit: true",
        {
            "user": "1:2",
            "groups": ["3"],
            "dir": "/w",
            "hostname": "h",
            "read_only": True,
            "init": True,
        },
    ),
    "capabilities": (
        "cap_add: [NET_ADMIN]\ncap_drop: [ALL]\nsysctls: {net.core.somaxconn: 5}",
        {"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"], "sysctl": {"net.core.somaxconn": "5"}},
    ),
    "stop": (
        "stop_signal: SIGINT\nstop_grace_period: 90s",
        {"stop_signal": "SIGINT", "stop_grace_period": "1m30s"},
    ),
    "no_word_of_stop": ("init: false", {"stop_signal": "", "stop_grace_period": "10s"}),
    "health": (
        "healthcheck: {test: [CMD, 'true'], interval: 60s, timeout: 500ms, retries: 2}",
        {
            "healthcheck": {
                "test": ["CMD", "true"],
                "interval": "1m",
                "timeout": "500ms",
                "start_period": "0s",
                "retries": 2,
            }
        },
    ),
    "no_health": (
        "healthcheck: {disable: true}",
        {
            "healthcheck": {
                "test": ["NONE"],
                "interval": "0s",
                "timeout": "0s",
                "start_period": "0s",
                "retries": 0,
            }
        },
    ),
    "resolver": (
        "dns: [192.0.2.1]\ndns_search: [a.b]\ndns_opt: ['ndots:1']\nextra_hosts: ['db=192.0.2.2']",
        {
            "dns_config": {
                "nameservers": ["192.0.2.1"],
                "search": ["a.b"],
                "options": ["ndots:1"],
            },
            "hosts": [{"ip": "192.0.2.2", "host": "db"}],
        },
    ),
    "memory": (
        (
            "tmpfs: ['/a:size=2m,mode=750', '/b:mode=1777']\n"
            "volumes: [{type: tmpfs, target: /c, tmpfs: {size: 1048576}}]"
        ),
        {
            "mounts": [
                {
                    "type": "tmpfs",
                    "source": "",
                    "target": "/c",
                    "read_only": False,
                    "tmpfs_options": {"size_bytes": MIB, "mode": 0},
                },
                {
                    "type": "tmpfs",
                    "source": "",
                    "target": "/a",
                    "read_only": False,
                    "tmpfs_options": {"size_bytes": 2 * MIB, "mode": 0o750},
                },
                {"type": "tmpfs", "source": "", "target": "/b", "read_only": False},
            ]
        },
    ),
    "machine": (
        "volumes: ['/proc:/host/proc:ro,rslave', /nameless]",
        {
            "mounts": [
                {"type": "volume", "source": "", "target": "/nameless", "read_only": False},
                {
                    "type": "bind",
                    "source": "/proc",
                    "target": "/host/proc",
                    "read_only": True,
                    "bind_options": {"propagation": "rslave"},
                },
            ]
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_options_of_its_containers_are_told(tmp_path: Path, name: str) -> None:
    service, expected = CASES[name]
    container = told(tmp_path, service)["task_spec"]["container_spec"]
    assert {key: container[key] for key in expected} == expected


def test_what_deploy_says_is_told(tmp_path: Path) -> None:
    arguments = told(
        tmp_path,
        """
labels: {on: containers}
logging: {options: {max-size: 1m}}
deploy:
  replicas: 4
  labels: {on: service}
  placement:
    constraints: [node.role==worker, node.labels.a==b]
    preferences: [{spread: node.labels.zone}]
    max_replicas_per_node: 2
  resources:
    limits: {cpus: '0.5', memory: 64m}
    reservations:
      cpus: '0.25'
      memory: 16m
      generic_resources: [{discrete_resource_spec: {kind: disk, value: 2}}]
  restart_policy: {condition: on-failure, delay: 1s, max_attempts: 3, window: 2m}
  update_config: {parallelism: 2, order: start-first}
  rollback_config: {delay: 3s}
""",
    )
    task = arguments["task_spec"]
    assert arguments["mode"] == {"replicated": {"replicas": 4}}
    assert arguments["labels"] == [*OURS, {"label": "on", "value": "service"}]
    assert task["container_spec"]["labels"] == [*OURS, {"label": "on", "value": "containers"}]
    assert task["placement"] == {
        "constraints": ["node.labels.a==b", "node.role==worker"],
        "prefs": ["node.labels.zone"],
        "max_replicas": 2,
    }
    assert task["resources"] == {
        "limits": {"nano_cpus": 500_000_000, "memory_bytes": 64 * MIB},
        "reservation": {
            "nano_cpus": 250_000_000,
            "memory_bytes": 16 * MIB,
            "generic_resources": {"discrete_resources_spec": ["disk=2"]},
        },
    }
    assert task["restart_policy"] == {
        "condition": "on-failure",
        "delay": "1s",
        "max_attempts": 3,
        "window": "2m",
    }
    assert task["log_driver"] == {"name": "json-file", "options": {"max-size": "1m"}}
    assert arguments["update_config"] == {
        "parallelism": 2,
        "delay": "0s",
        "failure_action": "pause",
        "monitor": "5s",
        "max_failure_ratio": "0.0",
        "order": "start-first",
    }
    assert arguments["rollback_config"]["delay"] == "3s"


def test_a_global_service_has_no_replicas(tmp_path: Path) -> None:
    assert told(tmp_path, "deploy: {mode: global}")["mode"] == {"global": True}


def test_secrets_and_configs_are_told_by_their_ids(tmp_path: Path) -> None:
    files = [
        File(kind="secret", id="1", name="shop_a_2", path="/run/secrets/a", mode="0400", uid="7"),
        File(kind="config", id="3", name="shop_b_4", path="/b"),
    ]
    container = told(tmp_path, "init: true", "", *files)["task_spec"]["container_spec"]
    assert container["secrets"] == [
        {
            "secret_id": "1",
            "secret_name": "shop_a_2",
            "file_name": "/run/secrets/a",
            "file_uid": "7",
            "file_gid": "0",
            "file_mode": 0o400,
        }
    ]
    assert container["configs"] == [
        {
            "config_id": "3",
            "config_name": "shop_b_4",
            "file_name": "/b",
            "file_uid": "0",
            "file_gid": "0",
            "file_mode": 0o444,
        }
    ]


VOLUMES = """
volumes:
  here: {labels: {a: b}}
  share: {driver_opts: {type: nfs, o: 'addr=192.0.2.9', device: ':/x'}}
  plugin: {driver: rexray}
"""
MOUNTED = "volumes: ['here:/h', 'share:/s', 'plugin:/p']"


def test_a_volume_of_a_node_keeps_the_service_there(tmp_path: Path) -> None:
    project = read(tmp_path, MOUNTED, VOLUMES)
    assert pinned_volumes(project, project.services["one"]) == ["here"]
    arguments = told(tmp_path, MOUNTED, VOLUMES)
    assert arguments["task_spec"]["placement"]["constraints"] == [
        f"node.labels.{volume_label('shop', 'here')}==yes"
    ]
    mounts = {m["source"]: m for m in arguments["task_spec"]["container_spec"]["mounts"]}
    assert mounts["shop_here"] == {
        "type": "volume",
        "source": "shop_here",
        "target": "/h",
        "read_only": False,
        "volume_options": {
            "no_copy": False,
            "labels": [
                {"label": "a", "value": "b"},
                {"label": "com.docker.compose.project", "value": "shop"},
                {"label": "com.docker.compose.volume", "value": "here"},
            ],
            "driver_name": "local",
            "driver_options": {},
        },
    }
    share = mounts["shop_share"]["volume_options"]
    assert share["driver_options"] == {"type": "nfs", "o": "addr=192.0.2.9", "device": ":/x"}


def test_a_global_service_has_its_volumes_on_each_node(tmp_path: Path) -> None:
    project = read(tmp_path, f"{MOUNTED}\ndeploy: {{mode: global}}", VOLUMES)
    assert pinned_volumes(project, project.services["one"]) == []


def test_its_name_is_that_which_docker_stack_would_give() -> None:
    assert service_name("shop", "web") == "shop_web"
