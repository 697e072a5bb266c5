"""Services as resources: every key that is supported, in the provider's own spelling."""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Final

import pytest
from compose_keys import supported, used
from synthesis import Json, counts, synth_of, words_of
from terraform_evaluation import evaluate

from constructs_lib.compose import reader, support
from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.services import ComposeServices
from constructs_lib.host.endpoint import DockerEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdktf import TerraformStack

    from constructs_lib.compose.model import ComposeProject

READ_BY_COMPOSE: Final = {"services.label_file", "configs.environment"}
"""Keys of which Compose leaves nothing in what it says."""

WHO: Final = "docker_container.Compose_Services_who_1"


def on_default_network(*aliases: str) -> Json:
    network = "${docker_network.Compose_Networks_default.id}"
    return {"networks_advanced": [{"name": network, "aliases": list(aliases)}]}


EVERY: Final[Mapping[str, tuple[str, Json]]] = {
    "words": (
        "command: [serve, $$HOME]\nentrypoint: [/bin/sh, -c]",
        {"command": ["serve", "$HOME"], "entrypoint": ["/bin/sh", "-c"]},
    ),
    "who": (
        "user: '5:6'\nworking_dir: /srv\ngroup_add: [audio, 5]\nuserns_mode: host",
        {
            "user": "5:6",
            "working_dir": "/srv",
            "group_add": ["audio", "5"],
            "userns_mode": "host",
            **on_default_network("moor-who-1", "who", "sql"),
        },
    ),
    "names": (
        "container_name: own\nhostname: inside\ndomainname: example.org",
        {
            "name": "own",
            "hostname": "inside",
            "domainname": "example.org",
            **on_default_network("own", "names"),
        },
    ),
    "environment": (
        "environment: {A: '1', PRICE: '5$$', GONE: null}",
        {"env": ["A=1", "GONE", "PRICE=5$"]},
    ),
    "labelled": ("labels: {team: a}\nlabel_file: labels.env", {}),
    "flags": (
        "init: false\ntty: true\nstdin_open: true\nread_only: true\nprivileged: true",
        {
            "init": False,
            "tty": True,
            "stdin_open": True,
            "read_only": True,
            "privileged": True,
        },
    ),
    "ends": (
        "stop_signal: SIGINT\nstop_grace_period: 1m30s\nrestart: on-failure:3",
        {
            "stop_signal": "SIGINT",
            "stop_timeout": 90,
            "restart": "on-failure",
            "max_retry_count": 3,
        },
    ),
    "rights": (
        "cap_add: [net_admin]\ncap_drop: [ALL]\nsecurity_opt: ['label:disable']",
        {
            "capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["ALL"]},
            "security_opts": ["label=disable"],
        },
    ),
    "devices": (
        "devices: ['/dev/fuse:/dev/x:r', vendor.com/class=name]\ndevice_cgroup_rules: ['c 1:3 mr']",
        {
            "devices": [{"host_path": "/dev/fuse", "container_path": "/dev/x", "permissions": "r"}],
            "device_requests": [
                {
                    "driver": "cdi",
                    "count": 0,
                    "device_ids": ["vendor.com/class=name"],
                    "capabilities": [],
                    "options": {},
                }
            ],
            "device_cgroup_rules": ["c 1:3 mr"],
        },
    ),
    "gpus": (
        """
        gpus:
          - {driver: nvidia, count: 2, capabilities: [utility], options: {a: b}}
          - {device_ids: ['1']}
        """,
        {
            "device_requests": [
                {
                    "driver": "nvidia",
                    "count": 2,
                    "device_ids": [],
                    "capabilities": ["utility", "gpu"],
                    "options": {"a": "b"},
                },
                {
                    "driver": "",
                    "count": 0,
                    "device_ids": ["1"],
                    "capabilities": ["gpu"],
                    "options": {},
                },
            ]
        },
    ),
    "reserved": (
        """
        deploy:
          resources:
            limits: {cpus: '1.25', memory: 100m}
            reservations:
              memory: 50m
              devices:
                - {driver: cdi, count: 1, capabilities: [x], options: {a: b}}
                - {device_ids: [vendor/device=0], capabilities: [x]}
          restart_policy: {condition: on-failure, max_attempts: 4}
        """,
        {
            "restart": "on-failure",
            "max_retry_count": 4,
            "cpus": "1.25",
            "memory": 100,
            "memory_swap": 200,
            "memory_reservation": 50,
            "lifecycle": {"ignore_changes": ["memory_swap"]},
            "device_requests": [
                {
                    "driver": "cdi",
                    "count": 1,
                    "device_ids": [],
                    "capabilities": ["x"],
                    "options": {"a": "b"},
                },
                {
                    "driver": "",
                    "count": 0,
                    "device_ids": ["vendor/device=0"],
                    "capabilities": ["x"],
                    "options": {},
                },
            ],
        },
    ),
    "kernel": (
        "ulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}\nsysctls: {net.core.somaxconn: 1024}",
        {
            "ulimit": [
                {"name": "nofile", "soft": 1, "hard": 2},
                {"name": "nproc", "soft": 5, "hard": 5},
            ],
            "sysctls": {"net.core.somaxconn": "1024"},
        },
    ),
    "resolver": (
        """
        dns: [192.0.2.1]
        dns_opt: ['ndots:1']
        dns_search: [example.org]
        extra_hosts: ['db=192.0.2.2', 'machine=host-gateway']
        """,
        {
            "dns": ["192.0.2.1"],
            "dns_opts": ["ndots:1"],
            "dns_search": ["example.org"],
            "host": [
                {"host": "db", "ip": "192.0.2.2"},
                {"host": "machine", "ip": "host-gateway"},
            ],
        },
    ),
    "logs": (
        "logging: {driver: json-file, options: {max-file: '3'}}",
        {"log_driver": "json-file", "log_opts": {"max-file": "3"}},
    ),
    "memory": (
        "mem_limit: 64m\nmem_reservation: 32m\nmemswap_limit: -1\nshm_size: 16m",
        {
            "memory": 64,
            "memory_reservation": 32,
            "memory_swap": -1,
            "shm_size": 16,
            "lifecycle": {"ignore_changes": ["memory_swap"]},
        },
    ),
    "processors": (
        "cpus: 0.5\ncpu_shares: 512\ncpuset: 0-2,4",
        {"cpus": "0.5", "cpu_shares": 512, "cpu_set": "0-2,4"},
    ),
    "quota": (
        "cpu_period: 100000\ncpu_quota: 50000",
        {"cpu_period": 100000, "cpu_quota": 50000},
    ),
    "throttled": (
        """
        blkio_config:
          device_read_bps: [{path: /dev/sda, rate: 1mb}]
          device_read_iops: [{path: /dev/sda, rate: 2}]
          device_write_bps: [{path: /dev/sda, rate: 3mb}]
          device_write_iops: [{path: /dev/sda, rate: 4}]
        """,
        {
            "device_read_bps": [{"path": "/dev/sda", "rate": 1048576}],
            "device_read_iops": [{"path": "/dev/sda", "rate": 2}],
            "device_write_bps": [{"path": "/dev/sda", "rate": 3145728}],
            "device_write_iops": [{"path": "/dev/sda", "rate": 4}],
        },
    ),
    "runs": (
        "runtime: crun\nstorage_opt: {size: 10G}\ncgroup: private\ncgroup_parent: /limited",
        {
            "runtime": "crun",
            "storage_opts": {"size": "10G"},
            "cgroupns_mode": "private",
            "cgroup_parent": "/limited",
        },
    ),
    "platform": (
        "platform: linux/arm64",
        {
            "image": "${docker_image.Compose_Images_nginx127linuxarm64missing.image_id}",
            "platform": "linux/arm64",
            "lifecycle": {"ignore_changes": ["platform"]},
        },
    ),
    "spaces": (
        "network_mode: host\nipc: shareable\npid: host",
        {
            "network_mode": "host",
            "ipc_mode": "shareable",
            "pid_mode": "host",
            "networks_advanced": None,
        },
    ),
    "shared": (
        "network_mode: service:who\nipc: service:who\npid: service:who",
        {
            "network_mode": f"container:${{{WHO}.id}}",
            "ipc_mode": f"container:${{{WHO}.id}}",
            "pid_mode": f"container:${{{WHO}.id}}",
            "networks_advanced": None,
            "depends_on": [WHO],
            "lifecycle": {"replace_triggered_by": [f"{WHO}.id"]},
        },
    ),
    "inherits": (
        "volumes_from: ['who:ro']",
        {
            "volumes": [{"from_container": f"${{{WHO}.id}}:ro"}],
            "depends_on": [WHO],
        },
    ),
    "ports": (
        "ports: ['127.0.0.1:8080:80', {target: 53, protocol: udp, published: 5353, mode: host}]",
        {
            "ports": [
                {"internal": 53, "external": 5353, "protocol": "udp"},
                {"internal": 80, "external": 8080, "protocol": "tcp", "ip": "127.0.0.1"},
            ]
        },
    ),
    "families": (
        "ports: ['0.0.0.0:80:80', '[::]:80:80', '80:80', '53:53/udp', '81']",
        {
            "ports": [
                {"internal": 53, "external": 53, "protocol": "udp"},
                {"internal": 80, "external": 80, "protocol": "tcp"},
                {"internal": 80, "external": 80, "protocol": "tcp", "ip": "::"},
                {"internal": 81, "protocol": "tcp"},
            ],
            "lifecycle": {"ignore_changes": ["ports"]},
        },
    ),
    "outside": (
        """
        network_mode: host
        ports: ['80:80']
        """,
        {"network_mode": "host", "networks_advanced": None},
    ),
    "volumes": (
        """
        volumes:
          - {type: volume, source: data, target: /data, read_only: true}
          - /anonymous
          - {type: bind, source: /srv, target: /srv, bind: {selinux: z, create_host_path: true}}
        """,
        {
            "volumes": [
                {
                    "volume_name": "${docker_volume.Compose_Volumes_data.id}",
                    "container_path": "/data",
                    "read_only": True,
                },
                {
                    "host_path": "/srv",
                    "container_path": "/srv",
                    "read_only": False,
                    "selinux_relabel": "z",
                },
                {"container_path": "/anonymous"},
            ]
        },
    ),
    "mounts": (
        """
        volumes:
          - {type: volume, source: data, target: /data, volume: {nocopy: true, subpath: sub}}
          - {type: bind, source: /srv, target: /srv, bind: {propagation: rshared}}
          - {type: tmpfs, target: /t, tmpfs: {size: 1048576, mode: 0700}}
        tmpfs: ['/run:size=1m']
        """,
        {
            "tmpfs": {"/run": "size=1m"},
            "mounts": [
                {
                    "type": "bind",
                    "source": "/srv",
                    "target": "/srv",
                    "read_only": False,
                    "bind_options": {"propagation": "rshared"},
                },
                {
                    "type": "tmpfs",
                    "target": "/t",
                    "read_only": False,
                    "tmpfs_options": {"size_bytes": 1048576, "mode": 448},
                },
                {
                    "type": "volume",
                    "source": "${docker_volume.Compose_Volumes_data.id}",
                    "target": "/data",
                    "read_only": False,
                    "volume_options": {"no_copy": True, "subpath": "sub"},
                },
            ],
        },
    ),
    "networks": (
        """
        networks:
          back:
            aliases: [store]
            ipv4_address: 198.51.100.3
            ipv6_address: 2001:db8::3
            interface_name: lan0
            link_local_ips: [169.254.1.1]
            mac_address: 02:00:00:00:00:01
            driver_opts: {a: b}
            gw_priority: 5
        """,
        {
            "networks_advanced": [
                {
                    "name": "${docker_network.Compose_Networks_back.id}",
                    "aliases": ["moor-networks-1", "networks", "store"],
                    "ipv4_address": "198.51.100.3",
                    "ipv6_address": "2001:db8::3",
                    "link_local_ips": ["169.254.1.1"],
                    "mac_address": "02:00:00:00:00:01",
                    "driver_opts": ["a=b", "com.docker.network.endpoint.ifname=lan0"],
                    "gw_priority": 5,
                }
            ]
        },
    ),
    "limited": ("pids_limit: 100\ndeploy: {resources: {limits: {pids: 100}}}", {}),
    "fixed": (
        "mac_address: 02:00:00:00:00:07",
        {
            "networks_advanced": [
                {
                    "name": "${docker_network.Compose_Networks_default.id}",
                    "aliases": ["moor-fixed-1", "fixed"],
                    "mac_address": "02:00:00:00:00:07",
                }
            ]
        },
    ),
    "files": (
        """
        configs: [{source: motd, target: /etc/motd, mode: 0440, uid: '5', gid: '6'}]
        secrets: [{source: token, target: own-name, mode: 0400, uid: '7', gid: '8'}]
        """,
        {
            "upload": [
                {
                    "file": "/etc/motd",
                    "source": "vault",
                    "source_hash": "DIGEST",
                    "permissions": "0440",
                    "owner": "5",
                    "group": "6",
                },
                {
                    "file": "/run/secrets/own-name",
                    "source": "vault",
                    "source_hash": "DIGEST",
                    "permissions": "0400",
                    "owner": "7",
                    "group": "8",
                },
            ]
        },
    ),
    "checked": (
        """
        healthcheck:
          test: [CMD, 'true']
          interval: 1m30s
          timeout: 5s
          start_period: 20s
          start_interval: 1s
          retries: 4
        """,
        {
            "healthcheck": {
                "test": ["CMD", "true"],
                "interval": "1m30s",
                "timeout": "5s",
                "start_period": "20s",
                "start_interval": "1s",
                "retries": 4,
            }
        },
    ),
    "unchecked": (
        "healthcheck: {disable: true}",
        {
            "healthcheck": {
                "test": ["NONE"],
                "interval": "0s",
                "timeout": "0s",
                "start_period": "0s",
                "start_interval": "0s",
                "retries": 0,
            }
        },
    ),
    "after": (
        "depends_on: {checked: {condition: service_healthy, restart: true, required: true}}",
        {
            "depends_on": ["terraform_data.Compose_Services_checked_Healthy"],
            "lifecycle": {
                "replace_triggered_by": ["docker_container.Compose_Services_checked_1.id"]
            },
        },
    ),
    "first": ("restart: 'no'", {"must_run": False}),
    "second": (
        "depends_on: {first: {condition: service_completed_successfully}}",
        {"depends_on": ["terraform_data.Compose_Services_first_Completed"]},
    ),
    "linked": (
        "links: ['who:sql']",
        {
            "depends_on": [WHO],
            # Compose reads a link as such a dependency, and a shared name space, too.
            "lifecycle": {"replace_triggered_by": [f"{WHO}.id"]},
        },
    ),
    "chosen": ("profiles: [debug]", {}),
}
"""Services with a key or a few, and what the provider is told beyond what it is of every one."""

IMAGES: Final[Mapping[str, tuple[str, Json]]] = {
    "pulled": (
        "image: nginx:1.27",
        {"name": "nginx@${data.docker_registry_image.Compose_Images_Registry_nginx127."
                 "sha256_digest}"},
    ),
    "kept": ("image: nginx:1.27\npull_policy: missing", {"name": "nginx:1.27"}),
    "foreign": (
        "image: nginx:1.27\npull_policy: missing\nplatform: linux/arm64",
        {"name": "nginx:1.27", "platform": "linux/arm64"},
    ),
    "built": (
        """
        build:
          context: context
          dockerfile: Dockerfile.web
          args: {A: '1'}
          target: final
          labels: {a: b}
          additional_contexts: {more: context}
          cache_from: [registry.example/cache]
          cache_to: [type=inline]
          entitlements: [network.host]
          extra_hosts: ['db=192.0.2.2']
          network: host
          no_cache: true
          platforms: [linux/amd64]
          pull: true
          secrets: [{source: token, target: t}]
          shm_size: 5m
          ssh: [default]
          tags: ['own:1']
          ulimits: {nofile: 5}
        """,
        {
            "name": "moor-built:TAG",
            "triggers": {"build": "${terraform_data.Compose_Images_Built_contextDockerfileweb"
                                  "finallinuxamd64_Build.id}"},
        },
    ),
    "inline": (
        "build: {context: context, dockerfile_inline: 'FROM scratch'}",
        {
            "name": "moor-inline:TAG",
            "triggers": {"build": "${terraform_data.Compose_Images_Built_contextinline-"
                                  "67c4282c6928ae38_Build.id}"},
        },
    ),
}  # fmt: skip
"""Services with an image of every kind, and what the provider is told of the image."""

REST: Final = """
networks:
  back:
    driver: bridge
    driver_opts: {a: b}
    attachable: true
    enable_ipv6: true
    internal: true
    ipam:
      driver: default
      config:
        - subnet: 198.51.100.0/24
          ip_range: 198.51.100.0/25
          gateway: 198.51.100.1
          aux_addresses: {router: 198.51.100.2}
        - subnet: 2001:db8::/64
    labels: {a: b}
    name: own-network
  there: {external: true, name: someones}
volumes:
  data: {driver: local, driver_opts: {type: none}, labels: {a: b}, name: own-volume}
  there: {external: true, name: someones}
configs: {motd: {content: hello}, page: {file: ./motd}}
secrets: {token: {environment: TOKEN}, key: {file: ./motd}}
"""


VARIABLES: Final = {"COMPOSE_PROFILES": "*", "TOKEN": "secret"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the Compose file with all of these services."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "motd").write_text("hello\n")
    (folder / "labels.env").write_text("tier=front\n")
    (folder / "context").mkdir()
    (folder / "context" / "Dockerfile.web").write_text("FROM scratch AS final\n")
    text = "services:\n"
    for name, (keys, _) in EVERY.items():
        text += f"  {name}:\n    image: nginx:1.27\n    pull_policy: missing\n{_keys(keys)}"
    for name, (keys, _) in IMAGES.items():
        text += f"  {name}:\n{_keys(keys)}"
    text += "  many: {image: nginx, pull_policy: missing, scale: 2}\n"
    text += (
        "  more: {image: nginx, pull_policy: missing, deploy: {mode: replicated, replicas: 2}}\n"
    )
    (folder / "compose.yaml").write_text(text + REST)
    return folder


def _keys(text: str) -> str:
    return indent(dedent(text).strip("\n"), "    ") + "\n"


@pytest.fixture(scope="module")
def project(folder: Path) -> ComposeProject:
    return load_project([folder / "compose.yaml"], name="moor", variables=VARIABLES)


@pytest.fixture(scope="module")
def document(folder: Path, project: ComposeProject) -> Json:
    return synthesized(project, folder)


def synthesized(
    project: ComposeProject, folder: Path, ended: Mapping[str, str] | None = None
) -> Json:
    def define(stack: TerraformStack) -> None:
        ComposeServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(
                host="192.0.2.1", port=2376, certificates=Path("/certificates")
            ),
            vault=Vault(folder / "vault"),
            value_of=lambda name: VARIABLES[name],
            ended=ended,
        )

    return synth_of(define)


def test_no_supported_key_is_left_out_above(folder: Path) -> None:
    variables = {**os.environ, **VARIABLES}
    said, _ = reader.read_config([folder / "compose.yaml"], "moor", variables, folder)
    assert set(supported(support.PROJECT)) - set(used(said, support.PROJECT)) == READ_BY_COMPOSE


@pytest.mark.parametrize("name", EVERY)
def test_every_key_is_told_to_the_provider(
    document: Json, project: ComposeProject, name: str
) -> None:
    found = document["resource"]["docker_container"][f"Compose_Services_{name}_1"]
    for upload in found.get("upload", ()):
        upload |= {"source": Path(upload["source"]).parent.name, "source_hash": "DIGEST"}
    expected = container_of(name, project) | EVERY[name][1]
    assert found == {key: value for key, value in expected.items() if value is not None}


def container_of(name: str, project: ComposeProject) -> Json:
    """Return what the provider is told of every container."""
    labels = {
        **project.services[name].options.labels,
        "com.docker.compose.config-hash": project.services[name].config_hash,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project": "moor",
        "com.docker.compose.service": name,
        "com.docker.compose.version": "2.40.3",
    }
    return {
        "name": f"moor-{name}-1",
        "image": "${docker_image.Compose_Images_nginx127missing.image_id}",
        "restart": "no",
        "must_run": True,
        "labels": [{"label": key, "value": value} for key, value in sorted(labels.items())],
        **on_default_network(f"moor-{name}-1", name),
    }


def test_labels_of_the_file_are_labels(project: ComposeProject) -> None:
    assert project.services["labelled"].options.labels == {"team": "a", "tier": "front"}


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_every_kind(document: Json, name: str) -> None:
    container = document["resource"]["docker_container"][f"Compose_Services_{name}_1"]
    image = container["image"].removeprefix("${docker_image.").removesuffix(".image_id}")
    found = document["resource"]["docker_image"][image]
    if "triggers" in found:
        assert re.search(r":[0-9a-f]{12}$", found["name"])
        found["name"] = f"{found['name'].partition(':')[0]}:TAG"
    kept = {"keep_locally": True, "lifecycle": {"create_before_destroy": True}}
    assert found == {**kept, **IMAGES[name][1]}


def test_a_container_and_a_resource_each_replica(document: Json) -> None:
    containers = document["resource"]["docker_container"]
    names = [
        containers[f"Compose_Services_{s}_{n}"]["name"] for s in ("many", "more") for n in "12"
    ]
    assert names == ["moor-many-1", "moor-many-2", "moor-more-1", "moor-more-2"]
    assert counts(document)["docker_container"] == len(EVERY) + len(IMAGES) + len(names)


def test_what_has_done_its_work_is_not_started_again(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services: {job: {image: a, scale: 3}, web: {image: a}}", encoding="utf-8")
    project = load_project([file], name="moor", variables={})
    same = project.services["job"].config_hash
    # Of the second replica an older configuration has ended, and of the third one nothing is known.
    document = synthesized(project, tmp_path, {"moor-job-1": same, "moor-job-2": "older"})
    containers = document["resource"]["docker_container"]
    assert {
        name.removeprefix("Compose_Services_"): c["must_run"] for name, c in containers.items()
    } == {
        "job_1": False,
        "job_2": True,
        "job_3": True,
        "web_1": True,
    }


def test_networks(document: Json) -> None:
    labels = [
        {"label": "com.docker.compose.project", "value": "moor"},
        {"label": "com.docker.compose.version", "value": "2.40.3"},
    ]
    assert document["resource"]["docker_network"] == {
        "Compose_Networks_default": {
            "name": "moor_default",
            "labels": [{"label": "com.docker.compose.network", "value": "default"}, *labels],
        },
        "Compose_Networks_back": {
            "name": "own-network",
            "driver": "bridge",
            "options": {"a": "b"},
            "attachable": True,
            "internal": True,
            "ipv6": True,
            "ipam_driver": "default",
            "ipam_config": [
                {
                    "subnet": "198.51.100.0/24",
                    "ip_range": "198.51.100.0/25",
                    "gateway": "198.51.100.1",
                    "aux_address": {"router": "198.51.100.2"},
                },
                {"subnet": "2001:db8::/64"},
            ],
            "labels": [
                {"label": "a", "value": "b"},
                {"label": "com.docker.compose.network", "value": "back"},
                *labels,
            ],
        },
    }


def test_volumes(document: Json) -> None:
    assert document["resource"]["docker_volume"] == {
        "Compose_Volumes_data": {
            "name": "own-volume",
            "driver": "local",
            "driver_opts": {"type": "none"},
            "labels": [
                {"label": "a", "value": "b"},
                {"label": "com.docker.compose.project", "value": "moor"},
                {"label": "com.docker.compose.version", "value": "2.40.3"},
                {"label": "com.docker.compose.volume", "value": "data"},
            ],
        }
    }


def test_what_is_waited_for(document: Json) -> None:
    waits = {
        name: step
        for name, step in document["resource"]["terraform_data"].items()
        if not name.endswith("_Build")
    }
    assert {name: wait["triggers_replace"] for name, wait in waits.items()} == {
        "Compose_Services_checked_Healthy": {
            "1": "${docker_container.Compose_Services_checked_1.id}"
        },
        "Compose_Services_first_Completed": {
            "1": "${docker_container.Compose_Services_first_1.id}"
        },
        "Compose_Services_limited_Limits": {
            "1": "${docker_container.Compose_Services_limited_1.id}"
        },
    }
    commands = [words_of(wait["provisioner"][0]["local-exec"]) for wait in waits.values()]
    # Four tries of 90 and 5 s each after the 20 s of the start, and a minute more.
    assert commands[0][-6:] == ["--until", "healthy", "--timeout", "555", "--", "moor-checked-1"]
    assert commands[1][-6:] == ["--until", "completed", "--timeout", "3600", "--", "moor-first-1"]
    assert commands[2][-4:] == ["--pids", "100", "--", "moor-limited-1"]


def test_what_a_variable_says_is_never_evaluated(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services: {web: {image: x, hostname: '${BRANCH}', domainname: '${BRANCH}', "
        "command: ['$${HOME}', '%{if}']}}"
    )
    evil = '${file("/etc/passwd")}'
    project = load_project([file], name="moor", variables={"BRANCH": evil})
    resources = synthesized(project, tmp_path)["resource"]
    found = evaluate(tmp_path, resources["docker_container"]["Compose_Services_web_1"])
    assert (found["hostname"], found["domainname"]) == (evil, evil)
    assert found["command"] == ["${HOME}", "%{if}"]
