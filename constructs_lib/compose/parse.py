"""From what `docker compose config` says to values."""

from __future__ import annotations

import hashlib
import json
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.compose.convert import shared_with, text_map
from constructs_lib.compose.errors import ComposeError, Problems
from constructs_lib.compose.model import (
    AddressPool,
    Attachment,
    ComposeProject,
    Dependency,
    NetworkDefinition,
    Port,
    Service,
    VolumeDefinition,
)
from constructs_lib.compose.parse_build import read_build
from constructs_lib.compose.parse_files import check_deliveries, read_deliveries, read_mounts
from constructs_lib.compose.parse_options import read_options
from constructs_lib.compose.support import unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_NOT_IN_HASH: Final = ("build", "pull_policy", "scale", "depends_on", "profiles", "expose")
"""What can change without another container, as in Compose."""


class _Reader:
    """Collects problems while it reads, so that all of them can be told at once."""

    def __init__(
        self,
        document: Mapping[str, Any],
        local: AbstractSet[tuple[str, str]],
        problems: Problems,
    ) -> None:
        self.document = document
        self.local: dict[str, set[str]] = {}
        for service, target in local:
            self.local.setdefault(service, set()).add(target)
        self.problems = problems
        self._linked: dict[tuple[str, str], list[str]] = {}
        """Names that other services have for a service, on one of its networks."""
        for name, raw in (document["services"] or {}).items():
            self._link(raw, f"services.{name}.links")

    def service(self, name: str, raw: Mapping[str, Any]) -> Service:
        where = f"services.{name}"
        networks = self._networks(name, raw, where)
        mounts = read_mounts(raw, where, self.local.get(name, set()), self.problems)
        restart, max_retries = self._restart(raw, where)
        options = read_options(raw, where, mounts, max_retries, self.problems)
        deliveries = [
            *mounts.copied,
            *read_deliveries(raw, where, self.document, self.problems),
        ]
        check_deliveries(options, deliveries, where, self.problems)
        deploy = raw.get("deploy") or {}
        if (deploy.get("mode") or "replicated") != "replicated":
            self.problems.add(
                f"{where}.deploy.mode", f"must be replicated, got {deploy['mode']}; use replicas"
            )
        replicas = deploy.get("replicas")
        if replicas is None:
            replicas = raw.get("scale")
        return Service(
            name=name,
            image=self._image(raw, where),
            build=read_build(
                raw.get("build"), f"{where}.build", self.document, options.platform, self.problems
            ),
            pull=self._pull(raw, where),
            options=options,
            replicas=1 if replicas is None else int(replicas),
            container_name=raw.get("container_name"),
            hostname=raw.get("hostname"),
            environment={
                k: None if v is None else str(v) for k, v in (raw.get("environment") or {}).items()
            },
            ports=tuple(self._ports(raw, where)),
            mounts=tuple(mounts.named),
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
            config_hash=self._hash(raw),
        )

    def _hash(self, raw: Mapping[str, Any]) -> str:
        """Digest what makes the container, with the networks and volumes that it names."""
        own = {k: v for k, v in raw.items() if k not in _NOT_IN_HASH and v is not None}
        deploy = {k: v for k, v in (raw.get("deploy") or {}).items() if k != "replicas"}
        text = json.dumps({**own, "deploy": deploy}, sort_keys=True)
        # Where the project lies must not matter: the same file has one digest everywhere.
        folder = str(self.document.get("folder", ""))
        if folder:
            text = text.replace(folder, ".")
        return hashlib.sha256(text.encode()).hexdigest()

    def _image(self, raw: Mapping[str, Any], where: str) -> str | None:
        image = raw.get("image")
        if image is None:
            return None
        if not _REFERENCE.fullmatch(image):
            self.problems.add(
                f"{where}.image",
                f"must be a reference such as docker.io/library/nginx:1.27, got {image!r}",
            )
        return str(image)

    def _pull(self, raw: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401  (a literal)
        policy = raw.get("pull_policy") or ""
        if policy in ("", "always", "build"):
            return "digest"
        if policy in ("missing", "if_not_present"):
            return "missing"
        if policy == "never":
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
        if retries and not retries.isdigit():
            self.problems.add(f"{where}.restart", f"must end in a number of tries, got {retries!r}")
            retries = ""
        if retries and int(retries) and name != "on-failure":
            self.problems.add(
                f"{where}.restart",
                f"must be on-failure where tries are limited, got {name}:{retries}",
            )
            retries = ""
        return name, int(retries or 0)

    def _ports(self, raw: Mapping[str, Any], where: str) -> Iterator[Port]:
        for index, port in enumerate(raw.get("ports") or ()):
            published = str(port.get("published") or "")
            span: tuple[int, int] | None = None
            if published and published != "0":
                first, _, last = published.partition("-")
                if not first.isdigit() or not (last or first).isdigit():
                    self.problems.add(
                        f"{where}.ports[{index}].published", f"must be a port, got {published!r}"
                    )
                    continue
                span = (int(first), int(last or first))
                if not 1 <= span[0] <= span[1] <= 65535:  # noqa: PLR2004
                    self.problems.add(
                        f"{where}.ports[{index}].published",
                        f"must be in 1..65535, got {published}",
                    )
                    continue
            host_ip = str(port.get("host_ip") or "0.0.0.0")  # noqa: S104
            try:
                ip_address(host_ip)
            except ValueError:
                self.problems.add(
                    f"{where}.ports[{index}].host_ip", f"must be an address, got {host_ip!r}"
                )
                continue
            yield Port(
                target=int(port["target"]),
                published=span,
                protocol=str(port.get("protocol") or "tcp"),
                host_ip=host_ip,
            )

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
        if mode:
            kind = str(mode).partition(":")[0]
            if kind not in ("host", "none", "bridge", "service", "container"):
                self.problems.add(
                    f"{where}.network_mode",
                    f"must be host, none, bridge or service:NAME, got {mode!r}; "
                    "use networks for a network",
                )
            return ()
        found = []
        for key, given in sorted((raw.get("networks") or {}).items()):
            value = given or {}
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
                    mac_address=value.get("mac_address"),
                    driver_opts=text_map(value.get("driver_opts") or {}),
                    gateway_priority=int(value.get("gw_priority") or 0),
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
) -> ComposeProject:
    """Turn the output of `docker compose config --format json` into values.

    Args:
        document: The output, with its dollar signs as they were meant.
        file: The Compose file, for messages.
        folder: The project's folder, which digests leave out.
        local: The bind mounts whose source is a relative path: service and target.

    Raises:
        ComposeError: Something cannot be honoured; with every problem.
    """
    document = {**document, "folder": str(folder) if folder else ""}
    document.setdefault("services", {})
    problems = Problems(file)
    reader = _Reader(document, local, problems)
    checked = {k: v for k, v in document.items() if k != "folder"}
    for where, remedy, value in unsupported(checked):
        problems.add(where, f"is not supported, got {_abbreviated(value)}; {remedy}")
    services = {k: reader.service(k, v) for k, v in sorted((document["services"] or {}).items())}
    project = ComposeProject(
        name=str(document["name"]),
        file=file,
        services=services,
        networks={k: _network(k, v or {}) for k, v in _items(document, "networks")},
        volumes={k: _volume(k, v or {}) for k, v in _items(document, "volumes")},
    )
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


def _abbreviated(value: object) -> str:
    text = json.dumps(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004
