"""From what `docker compose config` says to values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.convert import UnusableError, shared_with, text_map, whole
from constructs_lib.compose.digest import paths_relative_to
from constructs_lib.compose.errors import ComposeError, Problems
from constructs_lib.compose.folders import list_folders, machine_path, place_of
from constructs_lib.compose.model import (
    AddressPool,
    Attachment,
    ComposeProject,
    Dependency,
    NetworkDefinition,
    Service,
    VolumeDefinition,
)
from constructs_lib.compose.parse_backup import KEY as BACKUP
from constructs_lib.compose.parse_backup import read_backup
from constructs_lib.compose.parse_build import read_build
from constructs_lib.compose.parse_deploy import read_deploy
from constructs_lib.compose.parse_files import check_deliveries, read_deliveries, read_mounts
from constructs_lib.compose.parse_options import read_options
from constructs_lib.compose.parse_ports import ports_without_effect, read_ports
from constructs_lib.compose.parse_values import (
    check_values,
    first_network,
    read_pids_limit,
    read_replicas,
    refuse_null_characters,
    subnets_without_ipv6,
)
from constructs_lib.compose.support import unheeded, unsupported
from constructs_lib.compose.swarm_limits import swarm_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from constructs_lib.compose.model import Port

_INTERFACE_NAME: Final = "com.docker.network.endpoint.ifname"
"""The driver's option that an interface's name becomes, as in Compose."""
_NOT_IN_HASH: Final = (
    *("build", "pull_policy", "scale", "depends_on", "profiles", "expose"),
    BACKUP,
)
"""What can change without another container, as in Compose."""


class _Reader:
    """Collects problems while it reads, so that all of them can be told at once."""

    def __init__(
        self,
        document: Mapping[str, Any],
        local: AbstractSet[tuple[str, str]],
        problems: Problems,
        *,
        mesh: AbstractSet[tuple[str, int]] | None = None,
    ) -> None:
        self.document = document
        self.mesh = mesh
        """The ports that a swarm's mesh is to publish; None on one machine."""
        self._completes = {
            other
            for raw in (document["services"] or {}).values()
            for other, how in (raw.get("depends_on") or {}).items()
            if how.get("condition") == "service_completed_successfully"
        }
        self.local: dict[str, set[str]] = {}
        for service, target in local:
            self.local.setdefault(service, set()).add(target)
        self.problems = problems
        self.folder = Path(document.get("folder") or "/")
        self._linked: dict[tuple[str, str], list[str]] = {}
        """Names that other services have for a service, on one of its networks."""
        for name, raw in (document["services"] or {}).items():
            self._link(raw, f"services.{name}.links")

    def service(self, name: str, raw: Mapping[str, Any]) -> Service:
        where = f"services.{name}"
        networks = self._networks(name, raw, where)
        local = self.local.get(name, set())
        mounts = read_mounts(raw, where, local, self.folder, self.problems)
        in_swarm = self.mesh is not None
        restart, max_retries = ("no", 0) if in_swarm else self._restart(raw, where)
        options = read_options(raw, where, mounts, max_retries, self.problems)
        deliveries = [
            *mounts.copied,
            *read_deliveries(raw, where, self.document, self.problems),
        ]
        check_deliveries(options, deliveries, self.problems)
        check_values(raw, where, self.problems, local)
        image = raw.get("image")
        return Service(
            name=name,
            image=None if image is None else str(image),
            build=read_build(
                raw.get("build"), f"{where}.build", self.document, options.platform, self.problems
            ),
            pull=self._pull(raw, where),
            options=options,
            replicas=read_replicas(raw, where, self.problems),
            container_name=raw.get("container_name"),
            hostname=raw.get("hostname"),
            environment={
                k: None if v is None else str(v) for k, v in (raw.get("environment") or {}).items()
            },
            ports=self._ports(name, raw, where),
            mounts=tuple(mounts.named),
            folders=tuple(mounts.folders),
            deliveries=tuple(deliveries),
            networks=networks,
            depends_on=tuple(
                Dependency(
                    service=other,
                    condition=d.get("condition", "service_started"),
                    restart=bool(d.get("restart")),
                )
                for other, d in sorted((raw.get("depends_on") or {}).items())
                # One that is not required, and not there because of its profile.
                if other in self.document["services"]
            ),
            restart=restart,  # type: ignore[arg-type]  # one of the four, see _restart
            shares_network=shared_with(raw.get("network_mode")),
            shares_ipc=shared_with(raw.get("ipc")),
            shares_pid=shared_with(raw.get("pid")),
            volumes_from=tuple(self._volumes_from(raw, where)),
            pids_limit=read_pids_limit(raw, where, self.problems),
            config_hash=self._hash(raw),
            deploy=read_deploy(raw, where, self.problems, completes=name in self._completes)
            if in_swarm
            else None,
            backup=read_backup(raw, where, self.problems),
        )

    def _ports(self, name: str, raw: Mapping[str, Any], where: str) -> tuple[Port, ...]:
        ports = read_ports(raw, where, self.problems)
        if not self.mesh:
            return ports
        return tuple(
            replace(port, mode="ingress") if (name, port.target) in self.mesh else port
            for port in ports
        )

    def _hash(self, raw: Mapping[str, Any]) -> str:
        """Digest what makes the container, with the networks and volumes that it names."""
        own = {k: v for k, v in raw.items() if k not in _NOT_IN_HASH and v is not None}
        deploy = {k: v for k, v in (raw.get("deploy") or {}).items() if k != "replicas"}
        # Where the project lies must not matter: the same file has one digest everywhere.
        folder = str(self.document.get("folder", ""))
        own = paths_relative_to(folder, {**own, "deploy": deploy})
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()

    def _pull(self, raw: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401  (a literal)
        policy = raw.get("pull_policy") or ""
        if policy in ("", "always", "build"):
            return "digest"
        if policy in ("missing", "if_not_present"):
            return "missing"
        if policy == "never":
            if self.mesh is not None:
                self.problems.add(
                    f"{where}.pull_policy",
                    "must not be never in a swarm, whose nodes pull by themselves; leave it out",
                )
            return "never"
        self.problems.add(
            f"{where}.pull_policy",
            f"must be always, missing, never or build, got {policy}; always asks at each plan",
        )
        return "missing"

    def _restart(self, raw: Mapping[str, Any], where: str) -> tuple[str, int]:
        name, _, retries = str(raw.get("restart") or "no").partition(":")
        policy = (raw.get("deploy") or {}).get("restart_policy")
        if policy:
            condition = policy.get("condition") or "any"
            name = {"none": "no", "any": "always", "": "always"}.get(condition, condition)
            retries = str(policy.get("max_attempts") or "")
        if name not in ("no", "always", "on-failure", "unless-stopped"):
            self.problems.add(
                f"{where}.restart",
                f"must be no, always, on-failure or unless-stopped, got {name!r}",
            )
            name = "no"
        tries = 0
        try:
            tries = whole(retries or 0, most=2**31 - 1)
        except UnusableError:
            self.problems.add(f"{where}.restart", f"must end in a number of tries, got {retries!r}")
        if tries and name != "on-failure":
            self.problems.add(
                f"{where}.restart",
                f"must be on-failure where tries are limited, got {name}:{retries}",
            )
            tries = 0
        return name, tries

    def _link(self, raw: Mapping[str, Any], where: str) -> None:
        """Note what a service calls the services that it is linked to."""
        for index, entry in enumerate(raw.get("links") or ()):
            other, _, alias = str(entry).partition(":")
            theirs = self.document["services"].get(other)
            if theirs is None:
                self.problems.add(
                    f"{where}[{index}]", f"must name a service of this file, got {entry!r}"
                )
                continue
            shared = (raw.get("networks") or {}).keys() & (theirs.get("networks") or {}).keys()
            if not shared:
                self.problems.add(
                    f"{where}[{index}]",
                    f"must name a service that shares a network, got {entry!r}; put both on one",
                )
            # By its own name it is known there anyway; and Compose reads a link as a dependency.
            for network in shared if alias else ():
                self._linked.setdefault((other, network), []).append(alias)

    def _networks(self, name: str, raw: Mapping[str, Any], where: str) -> tuple[Attachment, ...]:
        mode = raw.get("network_mode")
        mac_address = raw.get("mac_address")
        if mode:
            if mac_address:
                self.problems.add(
                    f"{where}.mac_address",
                    f"must stand beside networks, got {mac_address} with network_mode {mode}",
                )
            kind = str(mode).partition(":")[0]
            if kind not in ("host", "none", "bridge", "service", "container"):
                self.problems.add(
                    f"{where}.network_mode",
                    f"must be host, none, bridge or service:NAME, got {mode!r}; "
                    "use networks for a network",
                )
            return ()
        found: list[Attachment] = []
        # Which of them Compose gives the service's own MAC address.
        first = first_network(raw.get("networks") or {})
        for key, given in sorted((raw.get("networks") or {}).items()):
            value = given or {}
            driver_opts = text_map(value.get("driver_opts") or {})
            if value.get("interface_name"):
                driver_opts[_INTERFACE_NAME] = str(value["interface_name"])
            own_mac_address = value.get("mac_address")
            first_mac_address = mac_address if key == first else None
            if own_mac_address and first_mac_address not in (None, own_mac_address):
                self.problems.add(
                    f"{where}.mac_address",
                    f"must be that of its network {key}, {own_mac_address}, got "
                    f"{first_mac_address}; leave it out",
                )
            found.append(
                Attachment(
                    network=key,
                    aliases=(
                        *(value.get("aliases") or ()),
                        *sorted(set(self._linked.get((name, key), ())) - {name}),
                    ),
                    ipv4_address=value.get("ipv4_address"),
                    ipv6_address=value.get("ipv6_address"),
                    link_local_ips=tuple(value.get("link_local_ips") or ()),
                    mac_address=own_mac_address or first_mac_address,
                    driver_opts=driver_opts,
                    gateway_priority=_number(value.get("gw_priority")),
                )
            )
        return tuple(found)

    def _volumes_from(self, raw: Mapping[str, Any], where: str) -> Iterator[tuple[str, bool]]:
        for entry in raw.get("volumes_from") or ():
            source, _, mode = str(entry).partition(":")
            if source == "container" or source not in self.document["services"]:
                self.problems.add(
                    f"{where}.volumes_from", f"must name a service of this file, got {entry!r}"
                )
            else:
                yield source, mode == "ro"


def parse(
    document: Mapping[str, Any],
    *,
    file: str,
    folder: Path | None = None,
    local: AbstractSet[tuple[str, str]] = frozenset(),
    local_volumes: AbstractSet[str] = frozenset(),
    mesh: AbstractSet[tuple[str, int]] | None = None,
) -> ComposeProject:
    """Turn the output of `docker compose config --format json` into values.

    Args:
        document: The output, with its dollar signs as they were meant.
        file: The Compose file, for messages.
        folder: The project's folder, which digests leave out.
        local: The bind mounts whose source is a relative path: service and target.
        local_volumes: The volumes that stand for a folder whose path is relative.
        mesh: In a swarm the ports, each by its service and target, that its mesh is to publish;
            None on one machine.

    Raises:
        ComposeError: Something cannot be honoured; with every problem.
    """
    document = {**document, "folder": str(folder) if folder else ""}
    document.setdefault("services", {})
    problems, warnings = Problems(file), Problems(file)
    refuse_null_characters(document, problems)
    swarm = mesh is not None
    reader = _Reader(document, local, problems, mesh=mesh)
    checked = {k: v for k, v in document.items() if k != "folder"}
    for where, remedy, value in unsupported(checked, swarm=swarm):
        problems.add(where, f"is not supported, got {_abbreviated(value)}; {remedy}")
    for where, reason, value in unheeded(checked, swarm=swarm):
        warnings.add(where, f"has no effect, got {_abbreviated(value)}: {reason}")
    for where, subnet in subnets_without_ipv6(document):
        warnings.add(where, f"has no effect, got {subnet}: the network has no enable_ipv6")
    services = {k: reader.service(k, v) for k, v in sorted((document["services"] or {}).items())}
    project = ComposeProject(
        name=str(document["name"]),
        file=file,
        services=services,
        networks={k: _network(k, v or {}) for k, v in _items(document, "networks")},
        volumes={
            k: _bound(str(document["name"]), reader.folder, _volume(k, v or {}))
            if k in local_volumes
            else _volume(k, v or {})
            for k, v in _items(document, "volumes")
        },
        warnings=(
            *warnings.found,
            *(f"{file}: {line}" for line in ports_without_effect(services.values())),
        ),
    )
    found: Iterable[tuple[str, str]]
    if swarm:
        found = swarm_problems(project)
    else:
        folders, found = list_folders(project)
        project = replace(project, folders=folders)
    for where, problem in found:
        problems.add(where, problem)
    if problems.found:
        raise ComposeError(problems.found)
    return project


def _items(document: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return sorted((document.get(key) or {}).items())


def _network(key: str, raw: Mapping[str, Any]) -> NetworkDefinition:
    ipam = raw.get("ipam") or {}
    return NetworkDefinition(
        key=key,
        name=str(raw.get("name") or key),
        external=bool(raw.get("external")),
        driver=raw.get("driver"),
        driver_opts=text_map(raw.get("driver_opts") or {}),
        internal=bool(raw.get("internal")),
        attachable=bool(raw.get("attachable")),
        ipv6=bool(raw.get("enable_ipv6")),
        ipam_driver=ipam.get("driver"),
        pools=tuple(
            AddressPool(
                subnet=pool.get("subnet"),
                ip_range=pool.get("ip_range"),
                gateway=pool.get("gateway"),
                aux_addresses=pool.get("aux_addresses") or {},
            )
            for pool in ipam.get("config") or ()
        ),
        labels=text_map(raw.get("labels") or {}),
    )


def _volume(key: str, raw: Mapping[str, Any]) -> VolumeDefinition:
    return VolumeDefinition(
        key=key,
        name=str(raw.get("name") or key),
        external=bool(raw.get("external")),
        driver=raw.get("driver"),
        driver_opts=text_map(raw.get("driver_opts") or {}),
        labels=text_map(raw.get("labels") or {}),
    )


def _number(value: object) -> int:
    """Return a number that has been looked at; 0 for what is none."""
    try:
        return whole(value or 0)
    except UnusableError:
        return 0


def _bound(project: str, folder: Path, volume: VolumeDefinition) -> VolumeDefinition:
    """Let a volume stand for a folder of the machine, in place of one of this computer."""
    source = folder / volume.driver_opts["device"]
    place = place_of(source, folder)
    device = machine_path(project, place)
    return replace(
        volume,
        driver_opts={**volume.driver_opts, "device": device},
        folder=source,
        place=place,
    )


def _abbreviated(value: object) -> str:
    text = json.dumps(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004
