"""The instance metadata service of a sandbox: what its machines ask about themselves.

One small container on the machines' network owns 169.254.169.254, and the machines have a route to
that address over the network. A container rather than a program on this computer: an address on
the computer's own interfaces takes root, and a container takes only leave to use Docker.

The container gets a file for each machine and answers by the address that a request comes from, so
that no machine reads what is another's. What exists did not fit: amazon-ec2-metadata-mock tells
every caller the same, and moto's own answers are those of a role's credentials only.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import tarfile
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from docker.errors import NotFound

from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.names import Role
from sandbox.options import UNLESS_STOPPED, limited_log

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from docker import DockerClient
    from docker.models.containers import Container

    from sandbox.addresses import AddressBook
    from sandbox.names import Owner

_FOLDER: Final = "var/lib/moor/metadata"
_READY: Final = b"ready"
_READY_TIMEOUT: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceMetadata:
    """What a machine may know of itself.

    Attributes:
        instance: The instance's id.
        address: Its address on the sandbox's network, by which it is known.
        image: The machine image's id.
        instance_type: Such as `t3.small`.
        zone: The availability zone.
        keys: SSH public keys by name.
        user_data: As given to the API, decoded from base64; empty where there is none.
        public: Its Elastic IP, where it has one.
        groups: The names of its security groups.
        tokens_required: Whether nothing is told without a token.
        hop_limit: For how many hops the answer with a token lives, 1 to 64.
    """

    instance: str
    address: IPv4Address
    image: str
    instance_type: str
    zone: str
    keys: tuple[tuple[str, str], ...]
    user_data: bytes
    public: IPv4Address | None = None
    groups: tuple[str, ...] = ()
    tokens_required: bool = False
    hop_limit: int = 1

    def document(self) -> bytes:
        """Return what the service reads."""
        region = self.zone.rstrip("abcdefghijklmnopqrstuvwxyz")
        name = f"ip-{str(self.address).replace('.', '-')}.{region}.compute.internal"
        tree: dict[str, Any] = {
            "ami-id": self.image,
            "hostname": name,
            "instance-id": self.instance,
            "instance-type": self.instance_type,
            "local-hostname": name,
            "local-ipv4": str(self.address),
            "placement": {"availability-zone": self.zone, "region": region},
            "security-groups": "\n".join(self.groups),
        }
        if self.keys:
            tree["public-keys"] = {
                str(number): {"openssh-key": key.strip()}
                for number, (_, key) in enumerate(self.keys)
            }
        if self.public is not None:
            tree["public-ipv4"] = str(self.public)
        identity = {
            "availabilityZone": self.zone,
            "imageId": self.image,
            "instanceId": self.instance,
            "instanceType": self.instance_type,
            "privateIp": str(self.address),
            "region": region,
        }
        return json.dumps(
            {
                "tokens": "required" if self.tokens_required else "optional",
                "hop_limit": self.hop_limit,
                "meta_data": tree,
                "key_names": [[n, name] for n, (name, _) in enumerate(self.keys)],
                "dynamic": {"instance-identity": {"document": json.dumps(identity)}},
                "user_data": base64.b64encode(self.user_data).decode() if self.user_data else None,
            }
        ).encode()


class MetadataService:
    """The metadata service of one sandbox. Its container is made with the first machine.

    Args:
        client: The engine.
        owner: Whose it is.
        image: The machine image: it has what the service runs.
        network: The name of the sandbox's network.
        book: Addresses on that network.
    """

    def __init__(
        self,
        client: DockerClient,
        *,
        owner: Owner,
        image: str,
        network: str,
        book: AddressBook,
    ) -> None:
        self._client = client
        self._owner = owner
        self._image = image
        self._network = network
        self._book = book
        self._own: IPv4Address | None = None
        self._known: dict[str, InstanceMetadata] = {}

    @property
    def name(self) -> str:
        """The name of its container."""
        return self._owner.name("metadata")

    def publish(self, metadata: InstanceMetadata) -> None:
        """Let a machine ask about itself; what was told before is replaced.

        Raises:
            SandboxError: The engine refused.
        """
        self._known[metadata.instance] = metadata
        self._put((metadata,), self._running())

    def set_public(self, addresses: dict[str, IPv4Address]) -> None:
        """Tell the machines their Elastic IPs.

        Args:
            addresses: The addresses by the instance's id; one that is missing has none.

        Raises:
            SandboxError: The engine refused.
        """
        changed = [
            replace(metadata, public=addresses.get(instance))
            for instance, metadata in self._known.items()
            if metadata.public != addresses.get(instance)
        ]
        for metadata in changed:
            self.publish(metadata)

    def set_options(self, instance: str, *, tokens_required: bool, hop_limit: int) -> None:
        """Change how a machine has to ask.

        Args:
            instance: The instance's id.
            tokens_required: Whether nothing is told without a token.
            hop_limit: For how many hops the answer with a token lives, 1 to 64.

        Raises:
            SandboxError: The engine refused.
        """
        if (known := self._known.get(instance)) is not None:
            self.publish(replace(known, tokens_required=tokens_required, hop_limit=hop_limit))

    def withdraw(self, instance: str) -> None:
        """Forget a machine. It may be forgotten already."""
        metadata = self._known.pop(instance, None)
        if metadata is None:
            return
        with contextlib.suppress(NotFound, *ENGINE_ERRORS):
            container = self._client.containers.get(self.name)
            container.exec_run(["rm", "-f", f"/{_FOLDER}/{metadata.address}.json"])

    def restore(self, running: frozenset[str]) -> bool:
        """Bring the service back where it is wanted and does not run.

        Args:
            running: The containers that run.

        Returns:
            Whether it had to be.

        Raises:
            SandboxError: The engine refused.
        """
        if not self._known or self.name in running:
            return False
        self._put(tuple(self._known.values()), self._running())
        return True

    def _put(self, records: tuple[InstanceMetadata, ...], container: Container) -> None:
        try:
            container.put_archive("/", _archive(records))
        except ENGINE_ERRORS as error:
            msg = f"sandbox metadata service {self.name}: must take a machine's data, got {error}"
            raise SandboxError(msg) from error

    def _running(self) -> Container:
        """Return the container, which runs."""
        try:
            try:
                container = self._client.containers.get(self.name)
            except NotFound:
                container = self._create()
            if container.status != "running":
                container.start()
                self._wait(container)
        except ENGINE_ERRORS as error:
            msg = f"sandbox metadata service {self.name}: must run, got {error}"
            raise SandboxError(msg) from error
        return container

    def _create(self) -> Container:
        if self._own is None:
            self._own = self._book.take()
        return self._client.containers.create(
            self._image,
            [f"/{_FOLDER}"],
            name=self.name,
            entrypoint=["/usr/lib/moor/metadata-service"],
            labels=self._owner.labels(Role.METADATA),
            network=self._network,
            networking_config={
                self._network: self._client.api.create_endpoint_config(ipv4_address=str(self._own))
            },
            # Its address on the interface, and a low port, are all that it needs beyond an
            # ordinary process.
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "NET_BIND_SERVICE"],
            security_opt=["no-new-privileges"],
            stop_signal="SIGTERM",
            restart_policy=UNLESS_STOPPED,
            log_config=limited_log("1m"),
        )

    def _wait(self, container: Container) -> None:
        since = int(time.time()) - 1
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            if _READY in container.logs(since=since):
                return
            time.sleep(0.03)
        end = container.logs(tail=10).decode(errors="replace").strip()
        msg = f"sandbox metadata service {self.name}: must listen, got: {end}"
        raise SandboxError(msg)


def _archive(records: tuple[InstanceMetadata, ...]) -> bytes:
    """Pack the machines' files, readable by root only: user data may hold secrets."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for record in records:
            content = record.document()
            member = tarfile.TarInfo(f"{_FOLDER}/{record.address}.json")
            member.size = len(content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
