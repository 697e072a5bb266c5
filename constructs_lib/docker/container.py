"""A Docker container."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from cdktf import AssetType, TerraformAsset
from cdktf_cdktf_provider_docker.container import Container as ContainerResource
from cdktf_cdktf_provider_docker.container import (
    ContainerConfig,
    ContainerLabels,
    ContainerNetworksAdvanced,
    ContainerPorts,
    ContainerUpload,
    ContainerVolumes,
)
from constructs import Construct

from constructs_lib.docker.container_options import ContainerOptions, provider_arguments
from constructs_lib.terraform.literal import Expression, address, define, override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cdktf import ITerraformDependable, TerraformResource

    from constructs_lib.docker.image import Image
    from constructs_lib.docker.network import ExternalNetwork, Network
    from constructs_lib.docker.volume import ExternalVolume, Volume

RestartPolicy = Literal["no", "always", "on-failure", "unless-stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A port of a container that the machine's address reaches.

    Attributes:
        container: TCP or UDP port inside, 1 to 65535.
        host: The machine's port, 1 to 65535. A security group must open it as well. None lets
            the engine choose one.
        protocol: `tcp`, `udp` or `sctp`.
        address: The machine's address that it is published on; all of IPv4 where unset.

    Raises:
        ValueError: A port is outside of its range.
    """

    container: int
    host: int | None
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    address: str | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, value in (("container", self.container), ("host", self.host)):
            if value is not None and not 1 <= value <= 65535:  # noqa: PLR2004
                msg = f"published port: {name}: must be in 1..65535, got {value}"
                raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """A named volume at a path of a container.

    Attributes:
        volume: The volume.
        path: Where it appears: an absolute path in the container.
        read_only: Whether the container may only read it.
        no_copy: Whether an empty volume stays empty instead of taking the image's files.
        subpath: The folder of the volume that is mounted. Needs Docker 26 on the machine.
        selinux: `z` or `Z`, where the machine has SELinux. Not beside the two before.

    Raises:
        ValueError: The path is not absolute.
    """

    volume: Volume | ExternalVolume
    path: str
    read_only: bool = False
    no_copy: bool = False
    subpath: str | None = None
    selinux: Literal["z", "Z"] | None = None

    def __post_init__(self) -> None:
        """Check the path."""
        _check_absolute("volume mount", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUpload:
    """A file of this computer, copied into a container before it starts.

    Attributes:
        source: The file. It is read during the deployment; a change replaces the container.
            Its content is kept out of Terraform's state.
        path: Where it appears: an absolute path in the container.
        digest: For secrets: what stands for the content in the state, a keyed hash. The file is
            then read where it is, instead of being copied beside the configuration.
        mode: Its permissions in four octal digits.
        uid: The number of its owner, in text.
        gid: The number of its group, in text.

    Raises:
        ValueError: The file does not exist, or the path is not absolute.
    """

    source: Path
    path: str
    digest: str | None = None
    mode: str | None = None
    uid: str | None = None
    gid: str | None = None

    def __post_init__(self) -> None:
        """Check both ends."""
        # A secret's path may be one that Terraform, and not this program, resolves.
        if self.digest is None and not self.source.is_file():
            msg = f"file upload: source: must be a file, got {self.source}"
            raise ValueError(msg)
        _check_absolute("file upload", self.path)


def _check_absolute(subject: str, path: str) -> None:
    if not path.startswith("/"):
        msg = f"{subject}: path: must be absolute in the container, got {path!r}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAttachment:
    """A network, and how a container joins it.

    A container that is attached in this way is replaced together with the network.

    Attributes:
        network: The network.
        aliases: Further names of the container there.
        ipv4_address: A fixed address.
        ipv6_address: A fixed address.
        link_local_ips: Link-local addresses.
        mac_address: A fixed MAC address.
        driver_opts: Options of the network's driver.
        gateway_priority: Of several networks the one with the highest gives the gateway. Needs
            Docker 28 on the machine.
    """

    network: Network | ExternalNetwork
    aliases: Sequence[str] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: Sequence[str] = ()
    mac_address: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    gateway_priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """What a container is, apart from its image.

    Attributes:
        name: Its name on the engine.
        hostname: Its host name inside; the container's id where unset.
        environment: Its environment variables. They end up in Terraform's state: no secrets.
            None takes away one that the image has.
        attachments: The networks that it joins; the engine's default bridge where empty.
        ports: The ports that it publishes. Where one of the container is published more than once,
            a change to them is told by a label that changes with it, and by nothing else: the
            provider loses their order.
        volumes: The volumes that it mounts.
        files: The files copied into it.
        restart: What the engine does when it ends by itself.
        must_run: Whether a plan shows a stopped container as one to be started again.
        options: Everything else that the engine is told.
    """

    name: str
    hostname: str | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    attachments: Sequence[NetworkAttachment] = ()
    ports: Sequence[PublishedPort] = ()
    volumes: Sequence[VolumeMount] = ()
    files: Sequence[FileUpload] = ()
    restart: RestartPolicy = "no"
    must_run: bool = True
    options: ContainerOptions = field(default_factory=ContainerOptions)


def _parameters(struct: type[object]) -> dict[str, str]:
    """Return what the bindings know of a thing: the names of its parameters, and their types."""
    return {name: str(kind) for name, kind in struct.__init__.__annotations__.items()}


_KNOWN: Final = frozenset(
    name
    for name, kind in _parameters(ContainerConfig).items()
    # What has parts of its own, for which a dict would do: the provider may know more of them.
    if "Dict[str, " not in kind
)
"""Arguments that the bindings know as the provider does: an override is a question to Node each."""
_NETWORK_KNOWN: Final = _parameters(ContainerNetworksAdvanced).keys()
"""The same for a network that it is attached to."""


class Container(Construct):
    """A container of an image.

    Attributes:
        id: The container's id (a token, known after apply).
        name: Its name (a token).
        resource: The container's resource, for `depends_on`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        image: Image,
        spec: ContainerSpec,
        depends_on: Sequence[ITerraformDependable] = (),
        replaced_with: Sequence[TerraformResource] = (),
    ) -> None:
        """Define the container.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the container.
            image: What it runs.
            spec: What it is.
            depends_on: What has to be there first.
            replaced_with: Containers and steps with which this one is replaced.

        Raises:
            ValueError: Two published ports are the same port of the machine.
        """
        published = [(p.host, p.protocol, p.address) for p in spec.ports if p.host is not None]
        if len(set(published)) != len(published):
            listed = ", ".join(f"{port}/{protocol}" for port, protocol, _ in published)
            msg = f"container {spec.name}: ports: must publish each host port once, got {listed}"
            raise ValueError(msg)
        super().__init__(scope, id_)
        further = _further_arguments(spec, replaced_with)
        labels = [define(ContainerLabels, **label) for label in further.pop("labels", ())]
        known = {name: further.pop(name) for name in further.keys() & _KNOWN}
        self.resource = define(
            ContainerResource,
            self,
            "Resource",
            name=spec.name,
            image=image.image_id,
            hostname=spec.hostname,
            env=[
                name if value is None else f"{name}={value}"
                for name, value in sorted(spec.environment.items())
            ]
            or None,
            networks_advanced=_networks(further),
            ports=[
                define(
                    ContainerPorts,
                    internal=p.container,
                    external=p.host,
                    protocol=p.protocol,
                    ip=p.address,
                )
                for p in spec.ports
            ]
            or None,
            volumes=[
                define(
                    ContainerVolumes,
                    volume_name=mount.volume.name,
                    container_path=mount.path,
                    read_only=mount.read_only,
                )
                for mount in ([] if "volumes" in further else spec.volumes)
                if not mount.no_copy and not mount.subpath
            ]
            or None,
            upload=self._uploads(spec.files) or None,
            restart=spec.restart,
            must_run=spec.must_run,
            depends_on=list(depends_on) or None,
            labels=labels or None,
            **known,
        )
        # The bindings are older than the provider, and do not know some of these.
        for name, value in further.items():
            override(self.resource, name, value)

    @property
    def id(self) -> Expression:
        """The container's id."""
        return Expression(self.resource.id)

    @property
    def name(self) -> Expression:
        """Its name."""
        return Expression(self.resource.name)

    def _uploads(self, files: Sequence[FileUpload]) -> list[ContainerUpload]:
        if not files:
            return []
        scope = Construct(self, "Files")
        uploads = []
        ids: set[str] = set()
        for file in files:
            if file.digest is None:
                # An asset's path in the state is the same from every checkout.
                asset_id = _asset_id(file.path, ids)
                asset = TerraformAsset(scope, asset_id, path=str(file.source), type=AssetType.FILE)
                source, digest = asset.path, asset.asset_hash
            else:
                source, digest = str(file.source), file.digest
            uploads.append(
                define(
                    ContainerUpload,
                    file=file.path,
                    source=source,
                    source_hash=digest,
                    permissions=file.mode,
                )
            )
        return uploads


def _asset_id(path: str, taken: set[str]) -> str:
    """Return an id that cdktf takes; another one than before would be another path in the state.

    Args:
        path: The file's path in the container.
        taken: The ids of the files before, as cdktf spells them; this one is added.
    """
    # cdktf takes `/a/b` and `/a--b` for one.
    spelled = path.replace("/", "--")
    if "TfToken[" in path or spelled in taken:
        return f"file-{hashlib.sha256(path.encode()).hexdigest()}"
    taken.add(spelled)
    return path


def _further_arguments(
    spec: ContainerSpec, replaced_with: Sequence[TerraformResource]
) -> dict[str, Any]:
    """Spell what the bindings do not know, or know only in part."""
    arguments = provider_arguments(spec.options)
    special = [m for m in spec.volumes if m.no_copy or m.subpath]
    if special:
        arguments["mounts"] = [*arguments.get("mounts", []), *map(_mount, special)]
    if "volumes" in arguments or any(mount.selinux for mount in spec.volumes):
        plain = [m for m in spec.volumes if m not in special]
        arguments["volumes"] = [*map(_volume, plain), *arguments.get("volumes", [])]
    if spec.attachments:
        arguments["networks_advanced"] = [_attachment(a) for a in spec.attachments]
    owned = {index: f for index, f in enumerate(spec.files) if f.uid or f.gid}
    for index, file in owned.items():
        # As separate paths: an override of the whole list would lose the bindings' part.
        arguments[f"upload.{index}.owner"] = file.uid or "0"
        arguments[f"upload.{index}.group"] = file.gid or "0"
    if _unordered(spec.ports):
        lifecycle = arguments.get("lifecycle", {})
        ignored = [*lifecycle.get("ignore_changes", ()), "ports"]
        arguments["lifecycle"] = {**lifecycle, "ignore_changes": ignored}
    if replaced_with:
        arguments["lifecycle"] = {
            **arguments.get("lifecycle", {}),
            "replace_triggered_by": [address(other, "id") for other in replaced_with],
        }
    return {name: value for name, value in arguments.items() if value != []}


def _unordered(ports: Sequence[PublishedPort]) -> bool:
    """Tell whether the provider may read ports back in another order than they were written.

    It sorts by the container's port only, behind which the engine has an order of its own. What
    differs would be a plan that replaces the container each time.

    Source: its `flattenContainerPorts` and `suppressIfPortsDidNotChangeForMigrationV0ToV1`;
    docker/go-connections, `nat.SortPortMap`.
    """
    # Protocols of one port it tells apart, unless the engine chooses what they are published on.
    chosen = {port.container for port in ports if port.host is None}
    inside = [(p.container, "" if p.container in chosen else p.protocol) for p in ports]
    return len(set(inside)) != len(inside)


def _volume(mount: VolumeMount) -> dict[str, Any]:
    return {
        "volume_name": mount.volume.name,
        "container_path": mount.path,
        "read_only": mount.read_only,
        **({"selinux_relabel": mount.selinux} if mount.selinux else {}),
    }


def _mount(mount: VolumeMount) -> dict[str, Any]:
    return {
        "type": "volume",
        "source": mount.volume.name,
        "target": mount.path,
        "read_only": mount.read_only,
        "volume_options": {
            "no_copy": mount.no_copy,
            **({"subpath": mount.subpath} if mount.subpath else {}),
        },
    }


def _networks(further: dict[str, Any]) -> list[ContainerNetworksAdvanced] | None:
    """Take the networks out of the further arguments, unless the bindings lack one of them."""
    attachments = further.get("networks_advanced", [])
    if any(attachment.keys() - _NETWORK_KNOWN for attachment in attachments):
        return None
    further.pop("networks_advanced", None)
    return [define(ContainerNetworksAdvanced, **attachment) for attachment in attachments] or None


def _attachment(attachment: NetworkAttachment) -> dict[str, Any]:
    a = attachment
    given = {
        "aliases": list(a.aliases),
        "ipv4_address": a.ipv4_address,
        "ipv6_address": a.ipv6_address,
        "link_local_ips": list(a.link_local_ips),
        "mac_address": a.mac_address,
        "driver_opts": [f"{name}={value}" for name, value in sorted(a.driver_opts.items())],
        "gw_priority": a.gateway_priority or None,
    }
    return {"name": a.network.id, **{k: v for k, v in given.items() if v not in (None, [])}}
