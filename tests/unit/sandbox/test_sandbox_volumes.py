"""EBS volumes of the emulated API: files, devices and books that agree, and outlive an emulator."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from sandbox.api import volumes as emulated
from sandbox.api.methods import wrapped
from sandbox.api.volumes import FOLDER, Volumes
from sandbox.machines import block_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.machines.block_device import BlockDevice

REGION = "eu-central-1"
ACCOUNT = "123456789012"

pytestmark = pytest.mark.usefixtures("volumes")


class Machines:
    """Machines that note what they are given.

    Attributes:
        seen: The volume that each instance sees.
        mounted: Whether they have mounted it.
        devices: What file is behind each device.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seen: dict[str, str] = {}
        self.mounted = False
        self.devices: dict[int, Path] = {}

    def give_device(self, instance: str, volume: str, _device: BlockDevice) -> None:
        """Note it."""
        self.seen[instance] = volume

    def take_device(self, instance: str) -> None:
        """Note it."""
        del self.seen[instance]

    def mounts(self, _instance: str, _device: BlockDevice) -> bool:
        """Return what the test says."""
        return self.mounted


class Addresses(dict[str, IPv4Address]):
    """An address for whatever instance is asked for."""

    def __missing__(self, instance: str) -> IPv4Address:
        """Return one that is the instance's alone."""
        self[instance] = IPv4Address("172.30.19.2") + len(self)
        return self[instance]


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    found = Machines()
    monkeypatch.setattr(block_device, "must_be_there", lambda: None)
    device = block_device.BlockDevice
    monkeypatch.setattr(device, "attach", lambda d, file: found.devices.update({d.number: file}))
    monkeypatch.setattr(device, "detach", lambda d: found.devices.pop(d.number, None))
    monkeypatch.setattr(device, "grow", lambda _: None)
    return found


@pytest.fixture
def volumes(tmp_path: Path, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Volumes:
    found = Volumes(tmp_path / FOLDER, machines, Addresses())  # type: ignore[arg-type]
    install(found, monkeypatch)
    return found


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def install(found: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.ec2.models import EC2Backend  # noqa: PLC0415

    methods: dict[str, Callable[..., Any]] = {
        "create_volume": found.create,
        "delete_volume": found.delete,
        "modify_volume": found.modify,
        "attach_volume": found.attach,
        "detach_volume": found.detach,
        "create_tags": found.tag,
    }
    for name, method in methods.items():
        original = getattr(EC2Backend, name)
        monkeypatch.setattr(EC2Backend, name, wrapped(name, original, method))


def ec2() -> Any:  # noqa: ANN401  (boto3 has no types)
    import boto3  # noqa: PLC0415

    return boto3.client("ec2", region_name=REGION)


def make(zone: str = "a", size: int = 2, **changes: Any) -> str:  # noqa: ANN401
    tags = [{"Key": "data-volume", "Value": "manager-1"}]
    made: str = ec2().create_volume(
        AvailabilityZone=f"{REGION}{zone}",
        Size=size,
        VolumeType="gp3",
        Encrypted=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        **changes,
    )["VolumeId"]
    return made


def run(zone: str = "a") -> str:
    answer = ec2().run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        Placement={"AvailabilityZone": f"{REGION}{zone}"},
    )
    instance: str = answer["Instances"][0]["InstanceId"]
    return instance


def attach(volume: str, instance: str) -> None:
    ec2().attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")


def test_a_volume_is_a_file_of_its_size_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / FOLDER / f"{make()}.img"
    assert file.stat().st_size == 2 << 30
    assert file.stat().st_mode & 0o777 == 0o600
    # Sparse: it takes the room of what is written.
    assert file.stat().st_blocks == 0


def test_what_is_attached_is_seen_and_what_is_detached_is_not(
    machines: Machines, tmp_path: Path
) -> None:
    volume, instance = make(), run()
    attach(volume, instance)
    assert machines.seen == {instance: volume}
    assert list(machines.devices.values()) == [tmp_path / FOLDER / f"{volume}.img"]
    ec2().detach_volume(VolumeId=volume)
    assert (machines.seen, machines.devices) == ({}, {})


@pytest.mark.parametrize(
    ("where", "zone", "code"),
    [("elsewhere", "a", "VolumeInUse"), ("nowhere", "b", "InvalidVolume.ZoneMismatch")],
)
def test_what_ec2_would_not_attach_is_not(
    machines: Machines, where: str, zone: str, code: str
) -> None:
    volume = make()
    if where == "elsewhere":
        attach(volume, run())
    before = dict(machines.devices)
    with pytest.raises(ClientError) as caught:
        attach(volume, run(zone))
    assert caught.value.response["Error"]["Code"] == code
    assert machines.devices == before


def test_what_is_mounted_is_not_detached_and_a_stopped_machine_mounts_nothing(
    machines: Machines,
) -> None:
    volume, instance = make(), run()
    attach(volume, instance)
    machines.mounted = True
    with pytest.raises(ClientError) as caught:
        ec2().detach_volume(VolumeId=volume)
    assert caught.value.response["Error"] == {
        "Code": "IncorrectState",
        "Message": f"The volume '{volume}' is mounted in instance '{instance}': unmount it, or "
        "stop the instance",
    }
    ec2().stop_instances(InstanceIds=[instance])
    ec2().detach_volume(VolumeId=volume)
    assert machines.devices == {}


def test_a_volume_grows_and_never_shrinks(tmp_path: Path) -> None:
    volume = make()
    ec2().modify_volume(VolumeId=volume, Size=3)
    assert (tmp_path / FOLDER / f"{volume}.img").stat().st_size == 3 << 30
    with pytest.raises(ClientError) as caught:
        ec2().modify_volume(VolumeId=volume, Size=2)
    assert caught.value.response["Error"]["Message"] == (
        "New size cannot be smaller than existing size, 3 GiB"
    )


def test_a_terminated_machines_device_goes_when_the_machine_has(
    volumes: Volumes, machines: Machines
) -> None:
    volume, instance = make(), run()
    attach(volume, instance)
    machines.mounted = True
    with volumes.ending([instance]):
        ec2().terminate_instances(InstanceIds=[instance])
    # The machine still runs, and has it mounted.
    assert len(machines.devices) == 1
    volumes.leave(instance)
    assert machines.devices == {}
    found = ec2().describe_volumes(VolumeIds=[volume])["Volumes"]
    assert [v["State"] for v in found] == ["available"]


def test_the_next_emulator_has_the_volume_again(machines: Machines, tmp_path: Path) -> None:
    from moto.ec2.models import ec2_backends  # noqa: PLC0415

    volume = make(Iops=4000, Throughput=500)
    before = ec2().describe_volumes(VolumeIds=[volume])["Volumes"][0]
    ec2_backends[ACCOUNT][REGION].volumes.clear()
    Volumes(tmp_path / FOLDER, machines, {}).restore()  # type: ignore[arg-type]
    after = ec2().describe_volumes(VolumeIds=[volume])["Volumes"][0]
    forgotten = ("ResponseMetadata",)
    assert {k: v for k, v in after.items() if k not in forgotten} == {
        k: v for k, v in before.items() if k not in forgotten
    }


def test_it_is_known_and_deleted_while_no_emulator_runs(tmp_path: Path) -> None:
    volume = make()
    (said,) = emulated.kept(tmp_path).values()
    assert (said["size"], said["tags"]) == (2, {"data-volume": "manager-1"})
    emulated.delete(tmp_path, volume)
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_root_volume_is_no_file(tmp_path: Path) -> None:
    run()
    assert not (tmp_path / FOLDER).exists()


def test_a_deleted_volume_leaves_nothing(tmp_path: Path) -> None:
    ec2().delete_volume(VolumeId=make())
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_devices_are_made_anew_after_the_computer_was_rebooted(
    volumes: Volumes, machines: Machines
) -> None:
    attach(make(), run())
    before = dict(machines.devices)
    machines.devices.clear()
    volumes.restore_devices()
    assert machines.devices == before
