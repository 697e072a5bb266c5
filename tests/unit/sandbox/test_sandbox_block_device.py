"""Loop devices of machines: whose each is, and what is told where the computer gives none."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.machines import block_device
from sandbox.machines.block_device import BlockDevice

FILE = Path("/env/sandbox/volumes/vol-1.img")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's view of its devices, with none."""
    monkeypatch.setattr(block_device, "_DEVICES", tmp_path)
    monkeypatch.setattr(block_device, "_MOST_PARTITIONS", tmp_path / "max_part")
    monkeypatch.setattr(block_device, "_CONTROL", tmp_path / "loop-control")
    return tmp_path


def behind(system: Path, number: int, text: str) -> None:
    folder = system / f"loop{number}" / "loop"
    folder.mkdir(parents=True)
    (folder / "backing_file").write_text(f"{text}\n")


@pytest.mark.parametrize("most_partitions", ["0\n", "63\n"])
def test_each_machine_has_a_number_of_its_own_that_the_kernel_can_have(
    system: Path, most_partitions: str
) -> None:
    (system / "max_part").write_text(most_partitions)
    addresses = [*IPv4Network("172.30.18.0/24"), *IPv4Network("172.30.44.0/24")]
    devices = [BlockDevice.of(address) for address in addresses]
    assert len({device.number for device in devices}) == len(addresses)
    assert all(device.number >= 1024 and device.minor < 1 << 20 for device in devices)


def test_a_container_may_use_this_device_and_no_other(system: Path) -> None:
    assert not list(system.iterdir())
    device = BlockDevice.of(IPv4Address("172.30.18.2"))
    assert device.rule == f"b 7:{device.number} rwm"
    assert device.path == Path(f"/dev/loop{device.number}")


def test_a_computer_without_loop_devices_is_told_with_the_way_out(system: Path) -> None:
    with pytest.raises(SandboxError) as caught:
        block_device.must_be_there()
    assert str(caught.value) == (
        "aws.data_volume: must have a loop device of this computer in a sandbox, got "
        f"{system}/loop-control: No such file or directory; run as root where there is "
        "/dev/loop-control (modprobe loop), or remove the setting"
    )


def test_a_device_of_somebody_else_is_never_taken(system: Path) -> None:
    behind(system, 2000, "/other/vol-2.img")
    with pytest.raises(SandboxError) as caught:
        BlockDevice(2000, 2000).attach(FILE)
    assert str(caught.value) == (
        f"loop device /dev/loop2000: must be free for {FILE}, got /other/vol-2.img behind it; "
        "choose another sandbox.subnet"
    )


def test_one_that_has_the_file_already_is_left_as_it_is(system: Path) -> None:
    behind(system, 2000, str(FILE))
    BlockDevice(2000, 2000).attach(FILE)


def test_only_those_with_files_of_ours_are_found(system: Path) -> None:
    behind(system, 0, "/var/lib/snapd/snaps/core.snap")
    behind(system, 2000, str(FILE))
    behind(system, 2001, f"{FILE} (deleted)")
    behind(system, 2002, "/env/sandbox/volumes/deeper/vol-3.img")
    (system / "loop7").mkdir()
    (system / "loopback").mkdir()
    found = sorted(device.number for device in block_device.attached(FILE.parent))
    assert found == [2000, 2001]
