"""Services of Compose files, each container, network and volume a resource of its own."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cdktf import App, TerraformStack
from constructs import Construct

from constructs_lib.compose.convert import seconds
from constructs_lib.compose.data_folders import DataFolders
from constructs_lib.compose.folders import CopiedFile
from constructs_lib.compose.images import Images
from constructs_lib.compose.order import in_order
from constructs_lib.docker.container import (
    Container,
    ContainerSpec,
    FileUpload,
    NetworkAttachment,
    PublishedPort,
    VolumeMount,
)
from constructs_lib.docker.container_options import HostMount
from constructs_lib.docker.network import AddressRange, ExternalNetwork, Network
from constructs_lib.docker.volume import ExternalVolume, Volume
from constructs_lib.files.path import below
from constructs_lib.files.tree import digest_of_file
from constructs_lib.terraform.literal import joined
from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdktf import ITerraformDependable, TerraformResource

    from constructs_lib.compose.delivery import Vault
    from constructs_lib.compose.model import (
        ComposeProject,
        Delivery,
        NetworkDefinition,
        Service,
        VolumeDefinition,
    )
    from constructs_lib.host.endpoint import DockerEndpoint

COMPOSE_VERSION: Final = "2.40.3"
"""The label `com.docker.compose.version`. Fixed: a label that changed would replace volumes."""

_PATIENCE_SECONDS: Final = 60
"""How much longer than its checks need a container may take until it is healthy."""

_END_SECONDS: Final = 3600
"""How long a service may take that others wait for to end."""


@dataclass(frozen=True, slots=True)
class _Mounted:
    """What a service mounts from this computer.

    Attributes:
        host: Folders and files of the machine.
        volumes: Copies.
        files: Files that are copied into the container itself.
        steps: What fills the copies.
    """

    host: list[HostMount] = dataclasses.field(default_factory=list)
    volumes: list[VolumeMount] = dataclasses.field(default_factory=list)
    files: list[Delivery] = dataclasses.field(default_factory=list)
    steps: list[TerraformResource] = dataclasses.field(default_factory=list)


class ComposeServices(Construct):
    """The services of a Compose project.

    The construct's ids are the names in the file, so that editing a service touches only its
    own resources, and renaming one leaves the volumes alone.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: ComposeProject,
        endpoint: DockerEndpoint,
        vault: Vault,
        value_of: Callable[[str], str],
        ended: Mapping[str, str] | None = None,
    ) -> None:
        """Define networks, volumes and containers.

        Args:
            scope: The construct that this one belongs to, inside a stack.
            id_: The construct's id; changing it replaces everything.
            project: The services, checked.
            endpoint: The machine's Docker API.
            vault: Where secrets and configs from variables are kept for the deployment.
            value_of: Returns the value of a variable that is a secret's or config's content.
            ended: The digest of the configuration of each container that has come to a good end,
                by its name: it is not to be started again.

        Raises:
            ContextError: A file of a build cannot be read.
            OSError: A file to be delivered cannot be read.
        """
        super().__init__(scope, id_)
        self._project = project
        self._endpoint = endpoint
        self._vault = vault
        self._value_of = value_of
        self._ended_well = ended or {}
        self._directory = _terraform_directory(self)
        self._images = Images(
            self, "Images", project=project, endpoint=endpoint, vault=vault, value_of=value_of
        )
        networks, volumes = Construct(self, "Networks"), Construct(self, "Volumes")
        used = {a.network for s in project.services.values() for a in s.networks}
        self._networks = {
            key: _network(networks, project.name, network)
            for key, network in project.networks.items()
            # The default network is always defined, and often nobody is in it.
            if key in used or key != "default"
        }
        self._volumes = {
            key: _volume(volumes, project.name, volume) for key, volume in project.volumes.items()
        }
        self._containers: dict[str, list[Container]] = {}
        self._ready: dict[str, Sequence[ITerraformDependable]] = {}
        self._ended: dict[str, Sequence[ITerraformDependable]] = {}
        self._waited_for = {
            (d.service, d.condition) for s in project.services.values() for d in s.depends_on
        }
        self._folders = DataFolders(self, "Folders", project=project, endpoint=endpoint)
        scopes = Construct(self, "Services")
        self._scopes = {name: Construct(scopes, name) for name in project.services}
        for service in in_order(project.services):
            self._define(service)

    def _define(self, service: Service) -> None:
        scope = self._scopes[service.name]
        image = self._images.of(service)
        completes = (service.name, "service_completed_successfully") in self._waited_for
        needs: list[ITerraformDependable] = []
        for dependency in service.depends_on:
            needs += self._condition(dependency.service, dependency.condition)
        filled = self._folders.steps_of(service)
        mounted = self._mounted(service)
        needs += [*filled, *mounted.steps]
        replaced_with = [
            container.resource
            for dependency in service.depends_on
            if dependency.restart
            for container in self._containers[dependency.service]
        ] + filled
        self._containers[service.name] = containers = [
            Container(
                scope,
                str(replica + 1),
                image=image,
                spec=self._spec(
                    service,
                    replica,
                    mounted,
                    must_run=not completes and not self._has_ended(service, replica),
                ),
                depends_on=needs,
                replaced_with=replaced_with,
            )
            for replica in range(service.replicas)
        ]
        started = [container.resource for container in containers]
        self._ready[service.name] = self._ended[service.name] = started
        if not containers:
            return
        if service.pids_limit is not None:
            self._step(scope, "Limits", service, "limits", "--pids", str(service.pids_limit))
        healthy = (service.name, "service_healthy") in self._waited_for
        if service.has_healthcheck or healthy:
            # Only another service can ask for a check that nobody may have written.
            lenient = service.needs_healthcheck_of_image and not healthy
            until = "healthy_if_checked" if lenient else "healthy"
            waiting = self._wait(scope, "Healthy", service, until, patience(service))
            self._ready[service.name] = [waiting]
        if completes:
            waiting = self._wait(scope, "Completed", service, "completed", _END_SECONDS)
            self._ended[service.name] = [waiting]

    def _has_ended(self, service: Service, replica: int) -> bool:
        """Tell whether a container of the same configuration has done its work."""
        name = service.container_names(self._project.name)[replica]
        return self._ended_well.get(name) == service.config_hash

    def _condition(self, name: str, condition: str) -> Sequence[ITerraformDependable]:
        if condition == "service_healthy":
            return self._ready[name]
        if condition == "service_completed_successfully":
            return self._ended[name]
        return [container.resource for container in self._containers[name]]

    def _wait(
        self, scope: Construct, id_: str, service: Service, until: str, timeout: float
    ) -> TerraformResource:
        options = ("--until", until, "--timeout", str(int(timeout)))
        return self._step(scope, id_, service, "wait", *options)

    def _step(
        self, scope: Construct, id_: str, service: Service, module: str, *options: str
    ) -> TerraformResource:
        """Run a module of this folder once for the containers of a service that are new."""
        containers = self._containers[service.name]
        step = run_module(
            f"constructs_lib.compose.{module}",
            *self._endpoint.words,
            *options,
            # What follows is no option, whatever it looks like.
            *("--", *service.container_names(self._project.name)),
        )
        return terraform_data(
            scope,
            id_,
            triggers={str(number + 1): container.id for number, container in enumerate(containers)},
            provisioners=[step],
        )

    def _mounted(self, service: Service) -> _Mounted:
        """Define what a service mounts from this computer."""
        found = _Mounted()
        for mount in service.folders:
            path = self._folders.on_machine(mount)
            if path is None:
                volume, step = self._folders.copy_of(mount)
                found.volumes.append(
                    VolumeMount(
                        volume=ExternalVolume(name=volume.id), path=mount.path, read_only=True
                    )
                )
                found.steps.append(step)
            else:
                found.host.append(
                    HostMount(
                        source=path,
                        path=mount.path,
                        read_only=mount.read_only,
                        propagation=mount.propagation,
                        selinux=mount.selinux,
                    )
                )
        copies = [volume.path for volume in found.volumes]
        bound = [
            delivery
            for delivery in service.deliveries
            # The engine copies nothing into these.
            if service.options.read_only
            or any(below(delivery.path, path) not in (None, ".") for path in copies)
        ]
        found.files.extend(d for d in service.deliveries if d not in bound)
        if bound:
            files = [self._copied(service, delivery) for delivery in bound]
            volume, step = self._folders.files_of(self._scopes[service.name], service, files)
            found.steps.append(step)
            found.host.extend(
                HostMount(
                    source=joined(volume.mountpoint, f"/{number}"),
                    path=delivery.path,
                    read_only=not delivery.writable,
                )
                for number, delivery in enumerate(bound)
            )
        return found

    def _copied(self, service: Service, delivery: Delivery) -> tuple[CopiedFile, str]:
        """Return a file that is mounted by itself, and its digest in the state."""
        source, digest = self._content(service, delivery)
        plain = "" if digest is not None else digest_of_file(source)
        return (
            CopiedFile(
                source=str(source.resolve()),
                mode=delivery.mode,
                uid=int(delivery.uid or 0),
                gid=int(delivery.gid or 0),
                digest=plain,
            ),
            digest or plain,
        )

    def _spec(
        self, service: Service, replica: int, mounted: _Mounted, *, must_run: bool
    ) -> ContainerSpec:
        name = service.container_names(self._project.name)[replica]
        options = service.options
        labels = {
            **options.labels,
            "com.docker.compose.project": self._project.name,
            "com.docker.compose.service": service.name,
            "com.docker.compose.container-number": str(replica + 1),
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.config-hash": service.config_hash,
            "com.docker.compose.version": COMPOSE_VERSION,
        }
        changes: dict[str, Any] = {
            "labels": labels,
            "host_mounts": (*options.host_mounts, *mounted.host),
        }
        for field, other in (
            ("network_mode", service.shares_network),
            ("ipc_mode", service.shares_ipc),
            ("pid_mode", service.shares_pid),
        ):
            if other is not None:
                changes[field] = joined("container:", self._containers[other][0].id)
        changes["volumes_from"] = tuple(
            joined(self._containers[other][0].id, ":ro" if read_only else "")
            for other, read_only in service.volumes_from
        )
        return ContainerSpec(
            name=name,
            hostname=service.hostname,
            environment=service.environment,
            attachments=[
                NetworkAttachment(
                    network=self._networks[a.network],
                    aliases=list(dict.fromkeys((name, service.name, *a.aliases))),
                    ipv4_address=a.ipv4_address,
                    ipv6_address=a.ipv6_address,
                    link_local_ips=a.link_local_ips,
                    mac_address=a.mac_address,
                    driver_opts=a.driver_opts,
                    gateway_priority=a.gateway_priority,
                )
                for a in service.networks
            ],
            ports=[
                PublishedPort(
                    container=port.target,
                    host=port.host_port(replica),
                    protocol=port.protocol,
                    address=None if port.host_ip == "0.0.0.0" else port.host_ip,  # noqa: S104
                )
                # In the order in which the provider reads them back.
                for port in sorted(service.ports, key=lambda p: (p.target, p.protocol))
                if service.publishes
            ],
            volumes=[
                VolumeMount(
                    volume=_by_id(self._volumes[mount.volume]),
                    path=mount.path,
                    read_only=mount.read_only,
                    no_copy=mount.no_copy,
                    subpath=mount.subpath,
                    selinux=mount.selinux,
                )
                for mount in service.mounts
            ]
            + mounted.volumes,
            files=[self._upload(service, delivery) for delivery in mounted.files],
            restart=service.restart,
            must_run=must_run,
            options=replace(options, **changes),
        )

    def _upload(self, service: Service, delivery: Delivery) -> FileUpload:
        source, digest = self._content(service, delivery)
        if digest is not None:
            # Terraform runs in its own folder; relative to that, each checkout says the same.
            source = Path(os.path.relpath(source, self._directory))
        return FileUpload(
            source=source,
            path=delivery.path,
            digest=digest,
            mode=delivery.mode,
            uid=delivery.uid or None,
            gid=delivery.gid or None,
        )

    def _content(self, service: Service, delivery: Delivery) -> tuple[Path, str | None]:
        """Return the file that has the content, and a keyed digest of what is not to be known."""
        source = delivery.source
        if source is not None and not delivery.is_secret:
            return source, None
        if source is None:
            text = (
                delivery.content if delivery.variable is None else self._value_of(delivery.variable)
            )
            source = self._vault.keep(service.name, delivery.path, (text or "").encode())
        return source, self._vault.digest(source.read_bytes())


def _terraform_directory(scope: Construct) -> Path:
    """Return the folder that Terraform will run in."""
    stack = TerraformStack.of(scope)
    return Path(App.of(scope).outdir).resolve() / "stacks" / stack.node.id


def address_ranges(network: NetworkDefinition) -> list[AddressRange]:
    """Return the addresses of a network as its construct takes them.

    Args:
        network: The network, as the Compose file has it.
    """
    return [
        AddressRange(
            subnet=pool.subnet,
            ip_range=pool.ip_range,
            gateway=pool.gateway,
            aux_addresses=pool.aux_addresses,
        )
        for pool in network.pools
    ]


def _network(
    scope: Construct, project: str, network: NetworkDefinition
) -> Network | ExternalNetwork:
    if network.external:
        return ExternalNetwork(name=network.name)
    return Network(
        scope,
        network.key,
        name=network.name,
        driver=network.driver,
        driver_opts=network.driver_opts,
        internal=network.internal or None,
        attachable=network.attachable or None,
        ipv6=network.ipv6 or None,
        ipam_driver=network.ipam_driver,
        addresses=address_ranges(network),
        labels={
            **network.labels,
            "com.docker.compose.network": network.key,
            "com.docker.compose.project": project,
            "com.docker.compose.version": COMPOSE_VERSION,
        },
    )


def _volume(scope: Construct, project: str, volume: VolumeDefinition) -> Volume | ExternalVolume:
    if volume.external:
        return ExternalVolume(name=volume.name)
    return Volume(
        scope,
        volume.key,
        name=volume.name,
        driver=volume.driver,
        driver_opts=volume.driver_opts,
        labels={
            **volume.labels,
            "com.docker.compose.project": project,
            "com.docker.compose.version": COMPOSE_VERSION,
            "com.docker.compose.volume": volume.key,
        },
    )


def _by_id(volume: Volume | ExternalVolume) -> ExternalVolume:
    """Name a volume such that a container is replaced together with it."""
    return ExternalVolume(name=volume.id) if isinstance(volume, Volume) else volume


def patience(service: Service) -> float:
    """Return how many seconds a container may take until it is healthy.

    The engine says `unhealthy` by itself after the start period and its tries; this is for
    checks that hang, and for health that another container brings.
    """
    check = service.options.healthcheck
    interval, timeout, retries, start = 30.0, 30.0, 3, 0.0
    if check is not None:
        interval = seconds(check.interval) or interval
        timeout = seconds(check.timeout) or timeout
        retries = check.retries or retries
        start = seconds(check.start_period) or start
    return start + (interval + timeout) * (retries + 1) + _PATIENCE_SECONDS
