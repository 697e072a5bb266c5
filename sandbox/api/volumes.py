# ruff: noqa: ANN401  # moto's backends, volumes and instances have no usable types
"""EBS volumes: what CreateVolume makes is a file, and what is attached a block device.

moto's books forget a volume with the emulator. Its file stays, and so does what the books said of
it, beside it: the next emulator of the sandbox has the volume again, under the same id, until
somebody deletes it. A root volume is the machine's own disk, and no affair of this module.
"""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import make_private_directory, write_private
from sandbox.api.methods import api_error
from sandbox.machines import block_device
from sandbox.machines.block_device import BlockDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from ipaddress import IPv4Address
    from pathlib import Path

    from sandbox.machines.machine import Machines

FOLDER: Final = "volumes"
"""Where volumes are in the sandbox's own folder."""

_GIB: Final = 1 << 30
_KEPT: Final = (
    "size", "encrypted", "kms_key_id", "volume_type", "iops", "throughput", "multi_attach_enabled",
    "snapshot_id",
)  # fmt: skip
_RUNNING: Final = "running"


class Volumes:
    """The volumes of one sandbox.

    Args:
        folder: Where their files are.
        machines: What they are attached to.
        addresses: Those of the instances that have a machine, by the instance's id.
    """

    def __init__(
        self, folder: Path, machines: Machines, addresses: Mapping[str, IPv4Address]
    ) -> None:
        # As the kernel tells it of a device.
        self._folder = folder.resolve()
        self._machines = machines
        self._addresses = addresses
        # The instance that has a volume's device, by the volume's id.
        self._holders: dict[str, str] = {}
        self._ending: set[str] = set()

    # The methods below stand in for methods of moto's backend. Each gets the original, the
    # backend, and the call's own arguments.

    def create(self, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for moto's `create_volume`: the volume is a file of that size."""
        # This is how moto hands on CreateVolume; a root volume comes without.
        asked_for = "throughput" in kwargs
        if asked_for:
            block_device.must_be_there()
        volume = original(backend, *args, **kwargs)
        if asked_for:
            make_private_directory(self._folder)
            with self._file(volume.id).open("xb") as file:
                self._file(volume.id).chmod(0o600)
                file.truncate(volume.size * _GIB)
            self._remember(volume)
        return volume

    def delete(self, original: Callable[..., Any], backend: Any, volume_id: str) -> Any:
        """Stand in for moto's `delete_volume`: the file goes, too."""
        volume = original(backend, volume_id)
        self._file(volume_id).unlink(missing_ok=True)
        self._notes(volume_id).unlink(missing_ok=True)
        return volume

    def modify(
        self,
        original: Callable[..., Any],
        backend: Any,
        volume_id: str,
        target_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Stand in for moto's `modify_volume`: the file grows, and the device with it."""
        before = backend.get_volume(volume_id)
        if target_size is not None and target_size < before.size:
            raise api_error(
                "InvalidParameterValue",
                f"New size cannot be smaller than existing size, {before.size} GiB",
            )
        volume = original(backend, volume_id, target_size, *args, **kwargs)
        if self._has(volume_id):
            with self._file(volume_id).open("r+b") as file:
                file.truncate(volume.size * _GIB)
            if volume_id in self._holders:
                self._device(self._holders[volume_id]).grow()
            self._remember(volume)
        return volume

    def attach(
        self,
        original: Callable[..., Any],
        backend: Any,
        volume_id: str,
        instance_id: str,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Stand in for moto's `attach_volume`, which asks for nothing."""
        if not self._has(volume_id):
            return original(backend, volume_id, instance_id, *args, **kwargs)
        volume, instance = backend.get_volume(volume_id), backend.get_instance(instance_id)
        if volume.attachment is not None:
            raise api_error(
                "VolumeInUse",
                f"{volume_id} is already attached to instance {volume.attachment.instance.id}",
            )
        if volume.zone.name != instance.placement.zone:
            raise api_error(
                "InvalidVolume.ZoneMismatch",
                f"The volume '{volume_id}' is not in the same availability zone as instance "
                f"'{instance_id}'",
            )
        if instance_id in self._holders.values():
            raise api_error(
                "AttachmentLimitExceeded",
                f"A machine of the sandbox has one volume beside its disk; {instance_id} has it",
            )
        device = self._device(instance_id)
        device.attach(self._file(volume_id))
        try:
            self._machines.give_device(instance_id, volume_id, device)
            result = original(backend, volume_id, instance_id, *args, **kwargs)
        except BaseException:
            device.detach()
            raise
        self._holders[volume_id] = instance_id
        return result

    def detach(
        self,
        original: Callable[..., Any],
        backend: Any,
        volume_id: str,
        instance_id: str | None,
        device_path: str | None,
    ) -> Any:
        """Stand in for moto's `detach_volume`: one that is mounted stays where it is."""
        attachment = backend.get_volume(volume_id).attachment
        if instance_id is None and attachment is not None:
            # EC2 knows where it is; moto asks for the instance of no name.
            instance_id = attachment.instance.id
        holder = self._holders.get(volume_id)
        if holder is None or holder in self._ending:
            return original(backend, volume_id, instance_id, device_path)
        device = self._device(holder)
        is_running = backend.get_instance(holder).state == _RUNNING
        if is_running and self._machines.mounts(holder, device):
            raise api_error(
                "IncorrectState",
                f"The volume '{volume_id}' is mounted in instance '{holder}': unmount it, or stop "
                "the instance",
            )
        result = original(backend, volume_id, instance_id, device_path)
        self._machines.take_device(holder)
        device.detach()
        del self._holders[volume_id]
        return result

    def tag(
        self, original: Callable[..., Any], backend: Any, ids: list[str], *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for moto's `create_tags` and `delete_tags`: volumes are known by them."""
        result = original(backend, ids, *args, **kwargs)
        for volume_id in ids:
            if volume_id in backend.volumes and self._has(volume_id):
                self._remember(backend.volumes[volume_id])
        return result

    # For snapshots

    def has(self, volume_id: str) -> bool:
        """Return whether there is a file behind a volume, and not only moto's word."""
        return self._has(volume_id)

    @contextlib.contextmanager
    def still(self, volume_id: str) -> Iterator[Path]:
        """Have a volume's file whole, and nobody write to it: what is mounted waits."""
        holder = self._holders.get(volume_id)
        if holder is None:
            yield self._file(volume_id)
            return
        with self._machines.frozen(holder, self._device(holder)):
            yield self._file(volume_id)

    def fill(self, volume: Any, write: Callable[[Path], None]) -> None:
        """Let something write what a new volume begins with.

        Args:
            volume: The volume, as moto has it.
            write: Takes the file; it may make another one in its place.
        """
        file = self._file(volume.id)
        write(file)
        with file.open("r+b") as opened:
            opened.truncate(volume.size * _GIB)

    # What happens to machines

    @contextlib.contextmanager
    def ending(self, instances: Iterable[str]) -> Iterator[None]:
        """Let moto take volumes from instances that it terminates: their machines still run."""
        going = set(instances) - self._ending
        self._ending |= going
        try:
            yield
        finally:
            self._ending -= going

    def leave(self, instance: str) -> None:
        """Take the device from an instance whose machine is gone."""
        for volume_id in [v for v, holder in self._holders.items() if holder == instance]:
            self._device(instance).detach()
            del self._holders[volume_id]

    def restore_devices(self) -> None:
        """Make devices that the computer has lost, since it was rebooted."""
        for volume_id, holder in self._holders.items():
            self._device(holder).attach(self._file(volume_id))

    def restore(self) -> None:
        """Let moto know the volumes of the emulator before this one."""
        from moto.ec2.models import ec2_backends  # noqa: PLC0415  # reads the environment
        from moto.ec2.models.elastic_block_store import Volume  # noqa: PLC0415

        for notes in sorted(self._folder.glob("vol-*.json")):
            volume_id = notes.stem
            if not self._has(volume_id):
                continue
            said = json.loads(notes.read_text(encoding="utf-8"))
            backend = ec2_backends[said["account"]][said["region"]]
            kind: Any = Volume
            volume = kind(
                backend,
                volume_id=volume_id,
                zone=backend.get_zone_by_name(said["zone"]),
                **{name: said[name] for name in _KEPT},
            )
            backend.volumes[volume_id] = volume
            volume.create_time = datetime.fromisoformat(said["created"])
            volume.add_tags(said["tags"])

    def _remember(self, volume: Any) -> None:
        """Write down what the next emulator has to know of a volume."""
        notes = {name: getattr(volume, name) for name in _KEPT}
        notes["account"] = volume.ec2_backend.account_id
        notes["region"] = volume.ec2_backend.region_name
        notes["zone"] = volume.zone.name
        notes["created"] = volume.create_time.isoformat()
        notes["tags"] = {tag["key"]: tag["value"] for tag in volume.get_tags()}
        write_private(self._notes(volume.id), json.dumps(notes, indent=1).encode())

    def _has(self, volume_id: str) -> bool:
        return self._file(volume_id).exists()

    def _file(self, volume_id: str) -> Path:
        return self._folder / f"{volume_id}.img"

    def _notes(self, volume_id: str) -> Path:
        return self._folder / f"{volume_id}.json"

    def _device(self, instance: str) -> BlockDevice:
        return BlockDevice.of(self._addresses[instance])


def kept(directory: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of the volumes of a sandbox that does not run, by their ids.

    Args:
        directory: The sandbox's own folder.
    """
    return {
        notes.stem: json.loads(notes.read_text(encoding="utf-8"))
        for notes in sorted((directory / FOLDER).glob("vol-*.json"))
    }


def delete(directory: Path, volume_id: str) -> None:
    """Delete a volume of a sandbox that does not run.

    Args:
        directory: The sandbox's own folder.
        volume_id: The volume's id.
    """
    for suffix in ("img", "json"):
        (directory / FOLDER / f"{volume_id}.{suffix}").unlink(missing_ok=True)
