"""A Docker container."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cdktf import AssetType, TerraformAsset
from cdktf_cdktf_provider_docker.container import Container as ContainerResource
from cdktf_cdktf_provider_docker.container import (
    ContainerNetworksAdvanced,
    ContainerPorts,
    ContainerUpload,
    ContainerVolumes,
)
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from constructs_lib.image import Image
    from constructs_lib.network import Network
    from constructs_lib.volume import Volume

RestartPolicy = Literal["no", "always", "on-failure", "unless-stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A port of a container that the machine's address reaches.

    Attributes:
        container: TCP or UDP port inside, 1 to 65535.
        host: The machine's port, 1 to 65535. A security group must open it as well.
        protocol: `tcp` or `udp`.

    Raises:
        ValueError: A port is outside of its range.
    """

    container: int
    host: int
    protocol: Literal["tcp", "udp"] = "tcp"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, value in (("container", self.container), ("host", self.host)):
            if not 1 <= value <= 65535:  # noqa: PLR2004
                msg = f"published port: {name}: must be in 1..65535, got {value}"
                raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """A named volume at a path of a container.

    Attributes:
        volume: The volume.
        path: Where it appears: an absolute path in the container.
        read_only: Whether the container may only read it.

    Raises:
        ValueError: The path is not absolute.
    """

    volume: Volume
    path: str
    read_only: bool = False

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

    Raises:
        ValueError: The file does not exist, or the path is not absolute.
    """

    source: Path
    path: str

    def __post_init__(self) -> None:
        """Check both ends."""
        if not self.source.is_file():
            msg = f"file upload: source: must be a file, got {self.source}"
            raise ValueError(msg)
        _check_absolute("file upload", self.path)


def _check_absolute(subject: str, path: str) -> None:
    if not path.startswith("/"):
        msg = f"{subject}: path: must be absolute in the container, got {path!r}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """What a container is, apart from its image.

    Attributes:
        name: Its name on the engine.
        hostname: Its host name inside; the container's id where unset.
        environment: Its environment variables. They end up in Terraform's state: no secrets.
        networks: The networks that it joins; the engine's default bridge where empty.
        aliases: Further names on each of these networks.
        ports: The ports that it publishes.
        volumes: The volumes that it mounts.
        files: The files copied into it.
        restart: What the engine does when it ends by itself.
        must_run: Whether a plan shows a stopped container as one to be started again.
    """

    name: str
    hostname: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[Network] = ()
    aliases: Sequence[str] = ()
    ports: Sequence[PublishedPort] = ()
    volumes: Sequence[VolumeMount] = ()
    files: Sequence[FileUpload] = ()
    restart: RestartPolicy = "no"
    must_run: bool = True


class Container(Construct):
    """A container of an image.

    Attributes:
        id: The container's id (a token, known after apply).
        name: Its name (a token).
    """

    def __init__(self, scope: Construct, id_: str, *, image: Image, spec: ContainerSpec) -> None:
        """Define the container.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it replaces the container.
            image: What it runs.
            spec: What it is.

        Raises:
            ValueError: Two published ports are the same port of the machine.
        """
        published = [(port.host, port.protocol) for port in spec.ports]
        if len(set(published)) != len(published):
            listed = ", ".join(f"{port}/{protocol}" for port, protocol in published)
            msg = f"container {spec.name}: ports: must publish each host port once, got {listed}"
            raise ValueError(msg)
        super().__init__(scope, id_)
        resource = ContainerResource(
            self,
            "Resource",
            name=spec.name,
            image=image.image_id,
            hostname=spec.hostname,
            env=[f"{name}={value}" for name, value in sorted(spec.environment.items())] or None,
            networks_advanced=[
                ContainerNetworksAdvanced(name=network.name, aliases=list(spec.aliases) or None)
                for network in spec.networks
            ]
            or None,
            ports=[
                ContainerPorts(internal=p.container, external=p.host, protocol=p.protocol)
                for p in spec.ports
            ]
            or None,
            volumes=[
                ContainerVolumes(
                    volume_name=mount.volume.name,
                    container_path=mount.path,
                    read_only=mount.read_only,
                )
                for mount in spec.volumes
            ]
            or None,
            upload=self._uploads(spec.files) or None,
            restart=spec.restart,
            must_run=spec.must_run,
        )
        self.id = resource.id
        self.name = resource.name

    def _uploads(self, files: Sequence[FileUpload]) -> list[ContainerUpload]:
        if not files:
            return []
        scope = Construct(self, "Files")
        uploads = []
        for file in files:
            # An asset's path in the state is the same from every checkout.
            asset = TerraformAsset(scope, file.path, path=str(file.source), type=AssetType.FILE)
            uploads.append(
                ContainerUpload(file=file.path, source=asset.path, source_hash=asset.asset_hash)
            )
        return uploads
