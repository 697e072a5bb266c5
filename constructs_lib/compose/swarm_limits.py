"""What of a Compose file a swarm cannot do that takes more than one key to know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.compose.model import ComposeProject, Service

_LARGEST_CONFIG: Final = 1000 * 1024
"""Source: swarmkit's `manager/controlapi`: 500 KB for a secret, 1000 KB for a config."""
_LARGEST_SECRET: Final = 500 * 1024
_LONGEST_NAME: Final = 63
_NAME: Final = re.compile(r"[a-zA-Z0-9]+(?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")
_SIZE: Final = re.compile(r"size=([0-9]{1,15})([kmg]?)", re.IGNORECASE | re.ASCII)
_MODE: Final = re.compile(r"mode=(0?[0-7]{1,4})", re.ASCII)
_ENGINES_MODE: Final = 0o1777
"""What the engine gives a folder in memory of which nobody says anything."""
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def swarm_problems(project: ComposeProject) -> Iterator[tuple[str, str]]:
    """Find what a swarm cannot do.

    Args:
        project: The services.

    Yields:
        Where it stands, and what is wrong.
    """
    for service in project.services.values():
        yield from _name(project, service)
        yield from _ports(service)
        yield from _mounts(service)
        yield from _files(service)
    for volume in project.volumes.values():
        if volume.folder is not None:
            yield (
                f"volumes.{volume.key}.driver_opts.device",
                (
                    "must not be a folder of this computer, which a swarm's nodes do not have, "
                    f"got {volume.folder}; put the files into an image"
                ),
            )
    for network in project.networks.values():
        if not network.external and network.driver not in (None, "", "overlay"):
            yield (
                f"networks.{network.key}.driver",
                (
                    f"must be overlay, which reaches all nodes of a swarm, got {network.driver!r}; "
                    "leave it out"
                ),
            )


def tmpfs_size_and_mode(options: str) -> tuple[int, int]:
    """Return the size in bytes and the permissions of a folder in memory; 0 where nothing is said.

    Args:
        options: What stands behind its path, such as `size=64m,mode=1777`, looked at already.
    """
    size = mode = 0
    for option in options.split(","):
        if found := _SIZE.fullmatch(option):
            size = int(found[1]) * _UNITS[found[2].lower()]
        elif found := _MODE.fullmatch(option):
            mode = told_mode(int(found[1], 8))
    return size, mode


def told_mode(mode: int) -> int:
    """Return the permissions of a folder in memory as the provider is told them.

    It keeps no sticky bit, which the engine sets by itself where it is told nothing.

    Args:
        mode: At most 0o777, or 0o1777.
    """
    return 0 if mode == _ENGINES_MODE else mode


def _is_told(mode: int) -> bool:
    return mode in (mode & 0o777, _ENGINES_MODE)


def _name(project: ComposeProject, service: Service) -> Iterator[tuple[str, str]]:
    name = f"{project.name}_{service.name}"
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        yield (
            f"services.{service.name}",
            (
                f"must have a name of letters, digits, '-' and '_' that is, with the project's, at "
                f"most {_LONGEST_NAME} long, got {name!r}; choose another one"
            ),
        )


def _ports(service: Service) -> Iterator[tuple[str, str]]:
    where = f"services.{service.name}.ports"
    for port in service.ports:
        if port.published is not None and port.published[0] != port.published[1]:
            first, last = port.published
            yield (
                where,
                (
                    f"must publish one port in a swarm, got {first}-{last} for port {port.target}; "
                    "each node that runs a task has it"
                ),
            )
    meshed = [port for port in service.ports if port.mode == "ingress"]
    if meshed and service.deploy is not None and service.deploy.endpoint_mode == "dnsrr":
        yield (
            f"services.{service.name}.deploy.endpoint_mode",
            (
                f"must be vip beside mode: ingress, got dnsrr with port {meshed[0].target}; use "
                "mode: host for the port"
            ),
        )
    update = service.deploy.update if service.deploy is not None else None
    held = [port for port in service.ports if port.mode == "host" and port.published]
    if update is not None and update.order == "start-first" and held:
        assert held[0].published is not None  # noqa: S101  (for the type checker)
        yield (
            f"services.{service.name}.deploy.update_config.order",
            (
                "must be stop-first, since a task cannot start beside the one that has the node's "
                f"port {held[0].published[0]}; leave it out"
            ),
        )


def _mounts(service: Service) -> Iterator[tuple[str, str]]:
    where = f"services.{service.name}.volumes"
    for folder in service.folders:
        yield (
            folder.origin or where,
            (
                "must not be a folder of this computer, which a swarm's nodes do not have, got "
                f"{folder.source}; put it into the image, or mount a named volume"
            ),
        )
    for path, options in service.options.tmpfs.items():
        for option in filter(None, str(options).split(",")):
            mode = _MODE.fullmatch(option)
            if not _SIZE.fullmatch(option) and not (mode and _is_told(int(mode[1], 8))):
                yield (
                    f"services.{service.name}.tmpfs",
                    (
                        "must have no options but such as size=64m and mode=1777 or mode=755 in a "
                        f"swarm, got {option!r} for {path}; leave it out"
                    ),
                )
    for mount in service.options.tmpfs_mounts:
        if not _is_told(mount.mode):
            yield (
                where,
                (
                    "must have a tmpfs.mode of 01777, which is so anyway, or at most 0777 in a "
                    f"swarm, got {mount.mode:#o} for {mount.path}; the provider keeps no other"
                ),
            )


def _files(service: Service) -> Iterator[tuple[str, str]]:
    for delivery in service.deliveries:
        if delivery.writable:
            yield (
                delivery.origin,
                (
                    f"must be mounted read-only in a swarm, got {delivery.source}, which the "
                    "service may write to; add :ro, or put it into the image"
                ),
            )
        limit = _LARGEST_SECRET if delivery.is_secret else _LARGEST_CONFIG
        size = (
            delivery.source.stat().st_size
            if delivery.source is not None
            else len((delivery.content or "").encode())
        )
        if size > limit or (not size and delivery.variable is None):
            yield (
                delivery.origin,
                f"must have from 1 to {limit} bytes in a swarm, got {size}; put it into the image",
            )
    if any(host == "host-gateway" for _, host in service.options.extra_hosts):
        yield (
            f"services.{service.name}.extra_hosts",
            "must be addresses in a swarm, got host-gateway; leave it out",
        )
