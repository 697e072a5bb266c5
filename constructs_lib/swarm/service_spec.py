"""What the provider is told of a service in a swarm, as one value.

Placement has no platforms: when it makes a service, Docker's own client puts those of the image
there, whatever it was told.

The provider keeps what it has read of many arguments where the configuration says nothing, so that
a healthcheck or a constraint which is taken out of a file would stay for ever. So each of those is
always told, with what the engine takes it for where the file has nothing.

Source: the provider's `resource_docker_service.go` and `resource_docker_service_structures.go` at
4.6.0; the Docker CLI's `cli/compose/convert/service.go`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.convert import seconds
from constructs_lib.compose.parse_deploy import go_duration
from constructs_lib.compose.swarm_limits import tmpfs_size_and_mode, told_mode
from constructs_lib.swarm.node import VOLUME_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs_lib.compose.model import (
        ComposeProject,
        Deploy,
        Service,
        UpdatePolicy,
        VolumeDefinition,
    )
    from constructs_lib.docker.container_options import Healthcheck

NAMESPACE: Final = "com.docker.stack.namespace"
"""The label by which `docker stack` knows what belongs together."""

_MIB: Final = 1024 * 1024
_BILLION: Final = 1_000_000_000
_GRACE_SECONDS: Final = 10
_NETWORK_FILE_SYSTEMS: Final = ("nfs", "nfs4", "cifs", "efs", "9p", "ceph", "glusterfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A secret or config in a service.

    Attributes:
        kind: `secret` or `config`.
        id: What the engine knows it by, which may be an expression.
        name: What it is called in the swarm.
        path: Where it appears in the containers.
        mode: Its permissions in four octal digits.
        uid: Its owner; empty is root.
        gid: Its group; likewise.
    """

    kind: str
    id: str
    name: str
    path: str
    mode: str = "0444"
    uid: str = ""
    gid: str = ""


def service_name(project: str, service: str) -> str:
    """Return what a service is called in the swarm, as `docker stack deploy` would call it."""
    return f"{project}_{service}"


def pinned_volumes(project: ComposeProject, service: Service) -> list[str]:
    """Return the keys of the volumes that are on one node, and keep a service there.

    A global service has a volume a node, and what is on the network is the same on all.
    """
    if service.deploy is None or service.deploy.is_global:
        return []
    return sorted(
        {
            mount.volume
            for mount in service.mounts
            if mount.volume in project.volumes and is_of_a_node(project.volumes[mount.volume])
        }
    )


def is_of_a_node(volume: VolumeDefinition) -> bool:
    """Whether a volume's content is on the node that made it, and on no other."""
    if volume.driver not in (None, "", "local"):
        # A plugin's: it brings the volume along, which is what such plugins are for.
        return False
    return volume.driver_opts.get("type", "") not in _NETWORK_FILE_SYSTEMS


def volume_label(project: str, volume: str) -> str:
    """Return the label of the node that has a volume."""
    return f"{VOLUME_LABEL}{project}.{volume}"


def service_arguments(
    project: ComposeProject,
    service: Service,
    *,
    image: str,
    networks: Mapping[str, str],
    files: Sequence[File],
) -> dict[str, Any]:
    """Return the arguments of a `docker_service`.

    Args:
        project: The project that the service is of.
        service: The service, read for a swarm.
        image: The image by its digest, which may be an expression.
        networks: The ids of the networks by their keys, which may be expressions.
        files: Its secrets and configs.
    """
    deploy = service.deploy
    assert deploy is not None  # noqa: S101  (for the type checker: it was read for a swarm)
    ours = {
        NAMESPACE: project.name,
        "com.docker.compose.project": project.name,
        "com.docker.compose.service": service.name,
    }
    return {
        "name": service_name(project.name, service.name),
        "labels": _labels({**deploy.labels, **ours}),
        "mode": {"global": True}
        if deploy.is_global
        else {"replicated": {"replicas": service.replicas}},
        "task_spec": {
            "container_spec": _container(project, service, image, files, ours),
            "resources": _resources(service, deploy),
            "restart_policy": {
                "condition": deploy.restart.condition,
                "delay": deploy.restart.delay,
                "max_attempts": deploy.restart.max_attempts,
                "window": deploy.restart.window,
            },
            "placement": {
                "constraints": sorted(constraints_of(project, service)),
                "prefs": [deploy.spread] if deploy.spread else [],
                "max_replicas": deploy.max_replicas_per_node,
            },
            "networks_advanced": [
                {
                    "id": networks[attachment.network],
                    "aliases": sorted({service.name, *attachment.aliases}),
                    "driver_opts": [f"{k}={v}" for k, v in sorted(attachment.driver_opts.items())],
                }
                for attachment in service.networks
            ],
            **_logging(service),
        },
        "endpoint_spec": {
            "mode": endpoint_mode(service, deploy),
            "ports": [
                {
                    "name": "",
                    "protocol": port.protocol,
                    "target_port": port.target,
                    "published_port": port.published[0] if port.published else 0,
                    "publish_mode": port.mode,
                }
                for port in sorted(service.ports, key=lambda p: (p.target, p.protocol))
            ],
        },
        **_changes("update_config", deploy.update),
        **_changes("rollback_config", deploy.rollback),
    }


def constraints_of(project: ComposeProject, service: Service) -> tuple[str, ...]:
    """Return which nodes fit a service: what the file says, and where its volumes are."""
    deploy = service.deploy
    assert deploy is not None  # noqa: S101  (for the type checker)
    return (
        *deploy.constraints,
        *(
            f"node.labels.{volume_label(project.name, volume)}==yes"
            for volume in pinned_volumes(project, service)
        ),
    )


def endpoint_mode(service: Service, deploy: Deploy) -> str:
    """Return what the service's name stands for."""
    if deploy.endpoint_mode is not None:
        return deploy.endpoint_mode
    return "vip" if any(port.mode == "ingress" for port in service.ports) else "dnsrr"


def digest_of(arguments: Mapping[str, Any]) -> str:
    """Return a digest of a service's arguments, in which an expression counts by its text."""
    text = json.dumps(arguments, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _container(
    project: ComposeProject,
    service: Service,
    image: str,
    files: Sequence[File],
    ours: Mapping[str, str],
) -> dict[str, Any]:
    options = service.options
    grace = _GRACE_SECONDS if options.stop_timeout is None else options.stop_timeout
    found: dict[str, Any] = {
        "image": image,
        "labels": _labels({**options.labels, **ours}),
        "command": list(options.entrypoint or ()),
        "args": list(options.command or ()),
        "hostname": service.hostname or "",
        "env": {k: v for k, v in service.environment.items() if v is not None},
        "dir": options.working_dir or "",
        "user": options.user or "",
        "groups": list(options.group_add),
        "read_only": options.read_only,
        "mounts": _mounts(project, service),
        "stop_signal": options.stop_signal or "",
        "stop_grace_period": go_duration(grace),
        "healthcheck": _healthcheck(options.healthcheck),
        "hosts": [{"ip": address, "host": name} for name, address in options.extra_hosts],
        "dns_config": {
            "nameservers": list(options.dns),
            "search": list(options.dns_search),
            "options": list(options.dns_options),
        },
        "init": bool(options.init),
        "cap_add": list(options.cap_add),
        "cap_drop": list(options.cap_drop),
    }
    if options.sysctls:
        found["sysctl"] = dict(options.sysctls)
    for kind in ("secret", "config"):
        found[f"{kind}s"] = [
            {
                f"{kind}_id": file.id,
                f"{kind}_name": file.name,
                "file_name": file.path,
                "file_uid": file.uid or "0",
                "file_gid": file.gid or "0",
                "file_mode": int(file.mode, 8),
            }
            for file in files
            if file.kind == kind
        ]
    return found


def _labels(labels: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"label": name, "value": value} for name, value in sorted(labels.items())]


def _healthcheck(check: Healthcheck | None) -> dict[str, Any]:
    if check is None:
        return {"test": []}
    return {
        "test": list(check.test),
        "interval": _time(check.interval),
        "timeout": _time(check.timeout),
        "start_period": _time(check.start_period),
        "retries": check.retries,
    }


def _time(duration: str) -> str:
    return go_duration(seconds(duration) or 0)


def _mounts(project: ComposeProject, service: Service) -> list[dict[str, Any]]:
    options = service.options
    found: list[dict[str, Any]] = []
    for mount in service.mounts:
        volume = project.volumes[mount.volume]
        labels = {
            **volume.labels,
            "com.docker.compose.project": project.name,
            "com.docker.compose.volume": volume.key,
        }
        found.append(
            {
                "type": "volume",
                "source": volume.name,
                "target": mount.path,
                "read_only": mount.read_only,
                "volume_options": {
                    "no_copy": mount.no_copy,
                    "labels": _labels(labels),
                    "driver_name": volume.driver or "local",
                    "driver_options": dict(volume.driver_opts),
                },
            }
        )
    found += [
        {"type": "volume", "source": "", "target": path, "read_only": False}
        for path in options.anonymous_volumes
    ]
    for host in options.host_mounts:
        bind: dict[str, Any] = {
            "type": "bind",
            "source": host.source,
            "target": host.path,
            "read_only": host.read_only,
        }
        if host.propagation:
            bind["bind_options"] = {"propagation": host.propagation}
        found.append(bind)
    found += [
        _memory(memory.path, memory.size_bytes, told_mode(memory.mode), read_only=memory.read_only)
        for memory in options.tmpfs_mounts
    ]
    for path, text in options.tmpfs.items():
        size, mode = tmpfs_size_and_mode(text)
        found.append(_memory(path, size, mode, read_only=False))
    return found


def _memory(path: str, size: int, mode: int, *, read_only: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "tmpfs", "source": "", "target": path, "read_only": read_only}
    if size or mode:
        found["tmpfs_options"] = {"size_bytes": size, "mode": mode}
    return found


def _resources(service: Service, deploy: Deploy) -> dict[str, Any]:
    options = service.options
    reservation: dict[str, Any] = {
        "nano_cpus": deploy.reserved_cpus,
        "memory_bytes": (options.memory_reservation_mib or 0) * _MIB,
    }
    if deploy.generic_resources:
        reservation["generic_resources"] = {
            "discrete_resources_spec": [
                f"{kind}={value}" for kind, value in sorted(deploy.generic_resources.items())
            ]
        }
    return {
        "limits": {
            "nano_cpus": round(float(options.cpus or 0) * _BILLION),
            "memory_bytes": (options.memory_mib or 0) * _MIB,
        },
        "reservation": reservation,
    }


def _logging(service: Service) -> dict[str, Any]:
    driver, options = service.options.log_driver, service.options.log_options
    if not driver and not options:
        return {}
    return {"log_driver": {"name": driver or "json-file", "options": dict(options)}}


def _changes(key: str, policy: UpdatePolicy | None) -> dict[str, Any]:
    if policy is None:
        return {}
    return {
        key: {
            "parallelism": policy.parallelism,
            "delay": policy.delay,
            "failure_action": policy.failure_action,
            "monitor": policy.monitor,
            "max_failure_ratio": policy.max_failure_ratio,
            "order": policy.order,
        }
    }
