"""Machines: containers that boot like a computer.

Every flag has its reason. `--privileged` is not used: it fails where the caller himself lacks
a capability, and it hands over the real machine's devices.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docker.errors import NotFound
from docker.types import Mount

from sandbox.addresses import gateway
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.machines.block_device import BlockDevice
from sandbox.names import Role
from sandbox.options import UNLESS_STOPPED, limited_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker import DockerClient
    from docker.models.containers import Container

    from sandbox.names import Owner

_BOOT_TIMEOUT: Final = 60
_STOP_TIMEOUT: Final = 60
_CONSOLE_LINES: Final = 40
_FILTER: Final = "filter"
_DEVICES: Final = "devices"
_OURS: Final = "var/lib/moor-sandbox"
"""Where a machine reads at its boot what this computer tells it; of no concern to what it runs."""

_FROZEN_SECONDS: Final = 120
_FREEZE: Final = """
set -eu
place=$(awk -v device="$1" '$1 == device { print $2; exit }' /proc/mounts)
fsfreeze --freeze "$place"
# Whoever froze it may be gone by then: what waits for it could not even be killed.
(sleep "$2"; exec fsfreeze --unfreeze "$place") </dev/null >/dev/null 2>&1 &
echo "$place"
"""
"""Freezes what is mounted from the device `$1`, for `$2` seconds at most, and prints where."""

_VOLUMES: Final = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}


class BootError(SandboxError):
    """A machine did not come up; the text has the end of its console output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """What a machine is made of.

    Attributes:
        instance: The instance's id.
        address: Its address on the sandbox's network.
        packet_filter: What it lets in, as `packet_filter.script` writes it.
    """

    instance: str
    address: IPv4Address
    packet_filter: str


class Machines:
    """The machines of one sandbox.

    Args:
        client: The engine.
        owner: Whose they are.
        image: The machine image.
        network: The name of the sandbox's network.
        subnet: Its addresses.
        registry_port: TCP port of the registry on the subnet's gateway.
    """

    def __init__(
        self,
        client: DockerClient,
        *,
        owner: Owner,
        image: str,
        network: str,
        subnet: IPv4Network,
        registry_port: int,
    ) -> None:
        self._client = client
        self._owner = owner
        self._image = image
        self._network = network
        self._subnet = subnet
        self._registry = f"{gateway(subnet)}:{registry_port}"

    def name(self, instance: str) -> str:
        """Return the name of an instance's container."""
        return self._owner.name(instance)

    def boot(self, spec: MachineSpec) -> None:
        """Make a machine, start it, and wait until it is up.

        Raises:
            BootError: It did not come up. Nothing of it is left.
            SandboxError: The engine refused it.
        """
        name = self.name(spec.instance)
        labels = self._owner.labels(Role.MACHINE, instance=spec.instance)
        try:
            for kind in _VOLUMES:
                self._client.volumes.create(f"{name}-{kind}", labels=labels)
            container = self._client.containers.create(
                self._image,
                name=name,
                hostname=f"ip-{str(spec.address).replace('.', '-')}",
                labels=labels,
                # The console: what is written to it can be read as the container's log.
                tty=True,
                log_config=limited_log("4m"),
                network=self._network,
                networking_config={
                    self._network: self._client.api.create_endpoint_config(
                        ipv4_address=str(spec.address)
                    )
                },
                mounts=[
                    # Named, so that they can be found and removed even without the container.
                    Mount(target, f"{name}-{kind}", type="volume")
                    for kind, target in _VOLUMES.items()
                ],
                # systemd and the inner Docker write cgroups: their own, not the computer's.
                cgroupns="private",
                # Mounting, networks, loop-free storage drivers. SYS_RESOURCE is left out: where
                # the engine's own bounding set lacks it, asking for it fails.
                cap_add=["ALL"],
                cap_drop=["SYS_RESOURCE"],
                security_opt=["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
                # What systemd expects to be empty at boot; programs are run from both.
                tmpfs={
                    "/run": "exec,mode=755",
                    "/run/lock": "",
                    "/tmp": "exec,mode=1777",  # noqa: S108  # a path inside the machine
                },
                # Of all block devices the one that is this machine's.
                device_cgroup_rules=[BlockDevice.of(spec.address).rule],
                restart_policy=UNLESS_STOPPED,
                stop_signal="SIGRTMIN+3",
            )
            container.put_archive("/", _archive(self._files(spec)))
            container.start()
            self._wait(container)
        except BootError:
            self.remove(spec.instance)
            raise
        except ENGINE_ERRORS as error:
            self.remove(spec.instance)
            msg = f"sandbox machine {name}: must start, got {error}"
            raise SandboxError(msg) from error

    def start(self, instance: str) -> None:
        """Start a stopped machine and wait until it is up.

        Raises:
            BootError: It did not come up; it is left as it is.
        """
        container = self._get(instance)
        container.start()
        self._wait(container)

    def stop(self, instance: str) -> None:
        """Shut a machine down. Its disk stays."""
        self._get(instance).stop(timeout=_STOP_TIMEOUT)

    def reboot(self, instance: str) -> None:
        """Shut a machine down, start it again, and wait until it is up."""
        container = self._get(instance)
        container.restart(timeout=_STOP_TIMEOUT)
        self._wait(container)

    def let_in(self, instance: str, packet_filter: str) -> None:
        """Change what a machine lets in: at once, and whenever it starts.

        Args:
            instance: The instance's id.
            packet_filter: What `packet_filter.script` writes.

        Raises:
            SandboxError: The machine could not take it.
        """
        container = self._get(instance)
        container.put_archive("/", _archive({_FILTER: packet_filter.encode()}))
        if container.status != "running":
            return
        status, output = container.exec_run(["/usr/lib/moor/filter"])
        if status:
            text = _as_bytes(output).decode(errors="replace").strip()
            msg = f"machine {container.name}: its groups' rules must be set, got: {text}"
            raise SandboxError(msg)

    def give_device(self, instance: str, volume: str, device: BlockDevice) -> None:
        """Let a machine see a volume: at once, and whenever it starts.

        Args:
            instance: The instance's id.
            volume: The volume's id.
            device: The machine's own device.

        Raises:
            SandboxError: The machine could not take it.
        """
        line = f"{volume.replace('-', '')} {device.number} {device.minor}\n"
        self._set_devices(instance, line)

    def take_device(self, instance: str) -> None:
        """Let a machine see no volume any more."""
        self._set_devices(instance, "")

    def mounts(self, instance: str, device: BlockDevice) -> bool:
        """Return whether a running machine has mounted its device."""
        words = ["grep", "-q", f"^{device.path} ", "/proc/mounts"]
        return self._get(instance).exec_run(words)[0] == 0

    @contextlib.contextmanager
    def frozen(self, instance: str, device: BlockDevice) -> Iterator[None]:
        """Hold whatever a machine writes to its device, for as long as it is mounted there.

        Raises:
            SandboxError: The file system could not be frozen.
        """
        container = self._get(instance)
        if container.status != "running" or not self.mounts(instance, device):
            yield
            return
        words = ["sh", "-c", _FREEZE, "freeze", str(device.path), str(_FROZEN_SECONDS)]
        status, output = container.exec_run(words)
        place = _as_bytes(output).decode(errors="replace").strip()
        if status:
            msg = f"machine {container.name}: {device.path} must be frozen, got: {place}"
            raise SandboxError(msg)
        try:
            yield
        finally:
            container.exec_run(["fsfreeze", "--unfreeze", place])

    def _set_devices(self, instance: str, lines: str) -> None:
        container = self._get(instance)
        container.put_archive("/", _archive({_DEVICES: lines.encode()}))
        if container.status != "running":
            return
        status, output = container.exec_run(["/usr/lib/moor/devices"])
        if status:
            text = _as_bytes(output).decode(errors="replace").strip()
            msg = f"machine {container.name}: its block device must be made, got: {text}"
            raise SandboxError(msg)

    def remove(self, instance: str) -> None:
        """Remove a machine with its disk. It may be gone already."""
        name = self.name(instance)
        with contextlib.suppress(NotFound):
            self._client.api.remove_container(name, force=True, v=True)
        for kind in _VOLUMES:
            with contextlib.suppress(NotFound):
                self._client.api.remove_volume(f"{name}-{kind}", force=True)

    def console(self, instance: str, *, lines: int = _CONSOLE_LINES) -> str:
        """Return the end of a machine's console output; empty where it is gone."""
        try:
            return _console(self._get(instance), lines)
        except ENGINE_ERRORS:
            return ""

    def states(self) -> dict[str, str]:
        """Return the state of each container of this sandbox by its name.

        The states are Docker's: `running`, `exited`, `created`, `restarting`, …
        """
        found = self._client.api.containers(all=True, filters=self._owner.filters())
        return {item["Names"][0].lstrip("/"): item["State"] for item in found}

    def _get(self, instance: str) -> Container:
        return self._client.containers.get(self.name(instance))

    def _files(self, spec: MachineSpec) -> Mapping[str, bytes]:
        servers = name_servers() or (gateway(self._subnet),)
        # The engine's own pulls compare networks; BuildKit inside it compares whole names, and
        # speaks plain HTTP only where the entry says so. Of the network the gateway alone: to a
        # registry that a machine has, an engine must prove itself.
        registries = (f"{gateway(self._subnet)}/32", f"http://{self._registry}")
        options = [
            *(f"--insecure-registry={registry}" for registry in registries),
            *(f"--dns={server}" for server in servers),
        ]
        return {
            _FILTER: spec.packet_filter.encode(),
            "docker.env": f"MOOR_SANDBOX_OPTS={' '.join(options)}\n".encode(),
        }

    def _wait(self, container: Container) -> None:
        command = ["/usr/lib/moor/wait-until-ready", str(_BOOT_TIMEOUT)]
        try:
            status, output = container.exec_run(command)
        except ENGINE_ERRORS as error:
            status, output = 1, str(error).encode()
        if status == 0:
            return
        text = _as_bytes(output).decode(errors="replace").strip().splitlines()
        reason = text[0] if text else "it ended while booting"
        console = _console(container, _CONSOLE_LINES)
        msg = "\n".join(
            (
                f"machine {container.name}: must boot, got: {reason}",
                *(f"  {line}" for line in text[1:]),
                "the end of its console:",
                *(f"  {line}" for line in console.splitlines()),
            )
        )
        raise BootError(msg)


def name_servers(files: tuple[str, ...] = ()) -> tuple[IPv4Address, ...]:
    """Return the computer's name servers that a container can reach.

    Args:
        files: Where to look, in this order; by default systemd-resolved's list of real
            servers, then /etc/resolv.conf.
    """
    for file in files or ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        found: list[IPv4Address] = []
        with contextlib.suppress(OSError):
            for line in Path(file).read_text().splitlines():
                words = line.split()
                if words[:1] == ["nameserver"]:
                    with contextlib.suppress(ValueError, IndexError):
                        address = IPv4Address(words[1])
                        if not address.is_loopback:
                            found.append(address)
        if found:
            return tuple(found)
    return ()


def _console(container: Container, lines: int) -> str:
    output = container.logs(tail=lines).decode(errors="replace")
    return plain(output)


def _as_bytes(output: bytes | Iterator[bytes]) -> bytes:
    return output if isinstance(output, bytes) else b"".join(output)


def plain(text: str) -> str:
    """Return console text without colours and carriage returns."""
    result: list[str] = []
    skipping = False
    for character in text:
        if character == "\x1b":
            skipping = True
        elif skipping:
            # A sequence ends with a letter; "[" only opens it.
            skipping = not character.isalpha()
        elif character != "\r":
            result.append(character)
    return "".join(result)


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Pack files for /var/lib/moor-sandbox, readable by root only."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{_OURS}/{name}")
            member.size = len(content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
