"""Compose files as values: what was written, resolved, and nothing of Terraform."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path  # noqa: TC003  (dataclasses look at their annotations)
from typing import TYPE_CHECKING, Any, Final, Literal

from constructs_lib.compose.folders import MachineFolders
from constructs_lib.docker.container_options import ContainerOptions, Propagation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.aws.port_range import Protocol

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
Pull = Literal["digest", "missing", "never"]
PublishMode = Literal["host", "ingress"]

ENCRYPTED: Final = "encrypted"
"""The option of an overlay network's driver that has nodes encrypt what they send each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret:
    """A secret that a build may read; it is in no layer of the image.

    Attributes:
        target: What the Dockerfile calls it.
        file: The file of this computer that holds it; or else
        variable: the variable whose value it is.
    """

    target: str
    file: Path | None = None
    variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An image to build on the machine.

    Attributes:
        context: A folder of this computer, or what the builder fetches by itself.
        project_folder: The project's folder, from which `context` is told without the place where
            the project lies.
        dockerfile: The Dockerfile's path, from the context.
        dockerfile_inline: Its text, instead.
        args: Build arguments.
        target: The stage to build; the last one by default.
        platform: The platform to build for; the machine's own by default.
        contexts: Further contexts, by the name that the Dockerfile has for them.
        secrets: Secrets, by the name that the file has for them.
        options: The keys that the builder gets as they are.
    """

    context: str
    project_folder: str = ""
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    platform: str | None = None
    contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, BuildSecret] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A published port.

    Attributes:
        target: The container's port.
        published: The machine's ports, first and last; None lets the engine choose one.
        protocol: `tcp`, `udp` or `sctp`.
        host_ip: The machine's address that it is published on, as the engine writes it; all of
            IPv4 by default.
        mode: In a swarm, whether the node that a task runs on has the port, or all of them.
    """

    target: int
    published: tuple[int, int] | None
    protocol: Protocol
    host_ip: str = "0.0.0.0"  # noqa: S104  (what Compose and the engine do)
    mode: PublishMode = "host"

    def host_port(self, replica: int) -> int | None:
        """Return the machine's port for a replica, counted from 0."""
        return None if self.published is None else self.published[0] + replica

    @property
    def is_reachable(self) -> bool:
        """Whether other computers could connect, if a security group opens it."""
        return not ip_address(self.host_ip).is_loopback

    @property
    def is_everywhere(self) -> bool:
        """Whether it is published on all addresses of the machine of one family."""
        return ip_address(self.host_ip).is_unspecified

    def shares_family(self, other: Port) -> bool:
        """Whether both are published on IPv4, or both on IPv6."""
        return ip_address(self.host_ip).version == ip_address(other.host_ip).version


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedMount:
    """A volume of the file at a path of a container.

    Attributes:
        volume: The volume's key in the file.
        path: Where it appears.
        read_only: Whether the container may only read it.
        no_copy: Whether an empty volume stays empty instead of taking the image's files.
        subpath: The folder of the volume that is mounted.
        selinux: `z` or `Z`, where the machine has SELinux.
    """

    volume: str
    path: str
    read_only: bool = False
    no_copy: bool = False
    subpath: str | None = None
    selinux: Literal["z", "Z"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A file that is copied into a container before it starts.

    Attributes:
        path: Where it appears: an absolute path in the container.
        source: The file of this computer; None where `variable` or `content` gives it.
        variable: The variable whose value is the content.
        content: The content itself: a config that stands in the Compose file.
        is_secret: Whether it must not be copied to anywhere but the container.
        mode: Its permissions in four octal digits.
        uid: Its owner.
        gid: Its group.
        writable: Whether the container may write to it where it is mounted, since a container that
            is read-only takes no copies.
        origin: Where in the Compose file it is asked for.
    """

    path: str
    source: Path | None = None
    variable: str | None = None
    content: str | None = field(default=None, repr=False)
    is_secret: bool = False
    mode: str = "0644"
    uid: str = ""
    gid: str = ""
    writable: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderMount:
    """A folder of this computer at a path of a container.

    Attributes:
        source: The folder, which may be missing: the machine's is made.
        place: Where it is on the machine, below the project's folder.
        path: Where it appears: an absolute path in the container.
        read_only: Whether the container may only read it.
        propagation: How mounts below it spread.
        selinux: `z` or `Z`, where the machine has SELinux.
        origin: Where in the Compose file it is asked for.
    """

    source: Path
    place: str
    path: str
    read_only: bool = False
    propagation: Propagation | None = None
    selinux: Literal["z", "Z"] | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A network that a service joins.

    Attributes:
        network: The network's key in the file.
        aliases: Further names of the service there.
        ipv4_address: A fixed address.
        ipv6_address: A fixed address.
        link_local_ips: Link-local addresses.
        mac_address: A fixed MAC address.
        driver_opts: Options of the network's driver.
        gateway_priority: Of several networks the one with the highest gives the gateway.
    """

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: tuple[str, ...] = ()
    mac_address: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    gateway_priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A service that has to be there first.

    Attributes:
        service: Its name.
        condition: What is waited for.
        restart: Whether this service is replaced together with that one.
    """

    service: str
    condition: Condition
    restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePolicy:
    """How a swarm replaces the tasks of a service. Durations are as Go writes them.

    Attributes:
        parallelism: How many at once; 0 is all of them.
        delay: How long to wait between them.
        failure_action: What is done when a new task fails: `pause`, `continue` or `rollback`.
        monitor: How long a new task is watched.
        max_failure_ratio: The part of them that may fail, with one decimal place.
        order: `stop-first` or `start-first`.
    """

    parallelism: int = 1
    delay: str = "0s"
    failure_action: str = "pause"
    monitor: str = "5s"
    max_failure_ratio: str = "0.0"
    order: str = "stop-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """What a swarm does when a task ends. Durations are as Go writes them.

    Attributes:
        condition: `none`, `on-failure` or `any`.
        delay: How long it waits before.
        max_attempts: How often, within the window; 0 is no limit.
        window: The time in which a task that ends again counts; `0s` is all of it.
    """

    condition: Literal["none", "on-failure", "any"] = "any"
    delay: str = "5s"
    max_attempts: int = 0
    window: str = "0s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """What a swarm is told of a service, beside what an engine is told of a container.

    Attributes:
        is_global: Whether each node that fits runs one task, whatever `replicas` says.
        constraints: Which nodes fit, each as `node.labels.tier==web`.
        spread: The label whose values the tasks are spread over; None spreads over all nodes.
        max_replicas_per_node: How many tasks a node may have; 0 is no limit.
        reserved_cpus: CPUs that a node must have left, in billionths; 0 is none.
        generic_resources: Further resources that a node must have left, by kind.
        endpoint_mode: `dnsrr`: the service's name stands for the addresses of its tasks; `vip`: for
            one address of its own, which takes IP_VS in the nodes' kernels. None: the former,
            where no port is the mesh's.
        labels: Labels of the service, which its containers do not have.
        restart: What is done when a task ends.
        update: How tasks are replaced; None is the engine's own way.
        rollback: How they are replaced when an update is taken back; likewise.
    """

    is_global: bool = False
    constraints: tuple[str, ...] = ()
    spread: str | None = None
    max_replicas_per_node: int = 0
    reserved_cpus: int = 0
    generic_resources: Mapping[str, int] = field(default_factory=dict)
    endpoint_mode: Literal["dnsrr", "vip"] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    update: UpdatePolicy | None = None
    rollback: UpdatePolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCommands:
    """What runs in each container of a service around a snapshot, instead of stopping it.

    Attributes:
        pre: The words of what runs before the snapshot begins; empty where nothing does.
        post: The words of what runs afterwards, whatever has failed before; likewise.
    """

    pre: tuple[str, ...] = ()
    post: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service.

    Attributes:
        name: Its name.
        image: The image's reference; with `build` what the built image is called.
        build: How to build the image.
        pull: Whether the tag's digest in the registry counts, or just that there is an image, or
            that it is on the machine already.
        options: What the engine is told.
        replicas: How many containers, 0 or more.
        container_name: The container's name, instead of `project-service-1`.
        hostname: Its host name.
        environment: Its variables; None takes away one that the image has.
        ports: Its published ports.
        mounts: Its named volumes.
        folders: Folders of this computer that it mounts.
        deliveries: The files copied into it.
        networks: The networks that it joins.
        depends_on: What has to be there first.
        restart: What the engine does when it ends by itself.
        shares_network: The service whose network it lives in.
        shares_ipc: The service whose IPC name space it lives in.
        shares_pid: The service whose PID name space it lives in.
        volumes_from: Services whose volumes it mounts, and whether read-only.
        pids_limit: How many processes it may have; None is no limit.
        config_hash: A digest of all that makes the container what it is.
        deploy: What a swarm is told; None on one machine.
        backup: What runs around a snapshot; None where it is stopped for one.
    """

    name: str
    image: str | None = None
    build: Build | None = None
    pull: Pull = "digest"
    options: ContainerOptions = field(default_factory=ContainerOptions)
    replicas: int = 1
    container_name: str | None = None
    hostname: str | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[NamedMount, ...] = ()
    folders: tuple[FolderMount, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    networks: tuple[Attachment, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    shares_network: str | None = None
    shares_ipc: str | None = None
    shares_pid: str | None = None
    volumes_from: tuple[tuple[str, bool], ...] = ()
    pids_limit: int | None = None
    config_hash: str = ""
    deploy: Deploy | None = None
    backup: BackupCommands | None = None

    def container_names(self, project: str) -> list[str]:
        """Return the names of its containers."""
        if self.container_name is not None:
            return [self.container_name] * self.replicas
        return [f"{project}-{self.name}-{number + 1}" for number in range(self.replicas)]

    @property
    def publishes(self) -> bool:
        """Whether its ports are published: on the machine's network, or none, there is no need."""
        return self.options.network_mode not in ("host", "none")

    @property
    def chosen_ports(self) -> tuple[Port, ...]:
        """Those of its ports for which the engine chooses the machine's."""
        return tuple(p for p in self.ports if p.published is None) if self.publishes else ()

    @property
    def has_healthcheck(self) -> bool:
        """Whether the file says how it is checked; the image may do so all the same."""
        check = self.options.healthcheck
        return check is not None and not check.is_disabled

    @property
    def needs_healthcheck_of_image(self) -> bool:
        """Whether the file says when it is checked, and leaves to the image with what."""
        check = self.options.healthcheck
        return check is not None and not check.test


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPool:
    """Addresses of a network.

    Attributes:
        subnet: The network's addresses.
        ip_range: Those that containers get.
        gateway: The machine's address there.
        aux_addresses: Addresses that are taken.
    """

    subnet: str | None = None
    ip_range: str | None = None
    gateway: str | None = None
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDefinition:
    """A network.

    Attributes:
        key: What it is called in the file.
        name: What it is called on the engine.
        external: Whether it is there already.
        driver: Its driver.
        driver_opts: Options of the driver.
        internal: Whether it has no way out.
        attachable: Whether single containers may join it in a swarm.
        ipv6: Whether it has IPv6.
        ipam_driver: Its driver of addresses.
        pools: Its addresses.
        labels: Its labels.
    """

    key: str
    name: str
    external: bool = False
    driver: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    ipv6: bool = False
    ipam_driver: str | None = None
    pools: tuple[AddressPool, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_encrypted(self) -> bool:
        """Whether nodes are asked to encrypt what they send each other on it.

        The option is heeded where it is there, and older engines look at no value.
        """
        return ENCRYPTED in self.driver_opts


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDefinition:
    """A named volume.

    Attributes:
        key: What it is called in the file.
        name: What it is called on the engine.
        external: Whether it is there already.
        driver: Its driver.
        driver_opts: Options of the driver.
        labels: Its labels.
        folder: The folder of this computer that it stands for; None where it is the engine's.
        place: Where that folder is on the machine, below the project's folder.
    """

    key: str
    name: str
    external: bool = False
    driver: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """All services of an environment.

    Attributes:
        name: The project's name.
        file: The Compose file, for messages.
        services: The services, by name.
        networks: The networks, by key.
        volumes: The volumes, by key.
        warnings: What a person should know before a deployment though nothing is wrong; one line
            each, in the form of an error: `FILE: FIELD: what there is; remedy`.
        contents: The values of the variables that secrets and configs take their content from;
            no representation shows them.
        folders: What of this computer's folders goes to the machine.
        document: What Compose has read, from which the project could be read again in another
            checkout: paths below the project's folder are relative. It has what the variables
            of the files were worth, so no representation shows it, either.
    """

    name: str
    file: str
    services: Mapping[str, Service]
    networks: Mapping[str, NetworkDefinition]
    volumes: Mapping[str, VolumeDefinition]
    warnings: tuple[str, ...] = ()
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)
    folders: MachineFolders = field(default_factory=MachineFolders)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def needs_mesh(self) -> tuple[str, ...]:
        """The keys that take IP_VS in the kernels of a swarm's nodes, in the file's words."""
        return (
            *(
                f"services.{service.name}.deploy.endpoint_mode"
                for service in self.services.values()
                if service.deploy is not None and service.deploy.endpoint_mode == "vip"
            ),
            *(
                f"services.{service.name}.ports"
                for service in self.services.values()
                if service.deploy is not None
                and any(port.mode == "ingress" for port in service.ports)
            ),
        )

    @property
    def needs_encryption(self) -> tuple[str, ...]:
        """The keys that take ESP in the kernels of a swarm's nodes, in the file's words."""
        return tuple(
            f"networks.{network.key}.driver_opts.{ENCRYPTED}"
            for network in self.networks.values()
            if network.is_encrypted
        )

    @property
    def published_tcp_ports(self) -> dict[str, int]:
        """The first TCP port that each service publishes to other computers, by its name."""
        found: dict[str, int] = {}
        for service in self.services.values():
            for port in service.ports:
                if (
                    port.protocol == "tcp"
                    and port.published is not None
                    and port.is_reachable
                    and service.publishes
                    and service.replicas
                ):
                    found.setdefault(service.name, port.published[0])
        return found
