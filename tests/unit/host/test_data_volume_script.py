"""The script of the data volume, with real block devices, file systems and mounts.

Each run has a mount name space of its own, in which `/etc`, `/var/lib`, `/mnt` and `/dev` are the
test's, and what it mounts is gone with it. systemd and Docker are stand-ins on PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.host import user_data
from sandbox.machines.block_device import BlockDevice

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(user_data.__file__).parent / "scripts" / "data-volume.sh"
VOLUME = "vol-0123456789abcdef0"
LINK = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{VOLUME.replace('-', '')}"
_TOOLS = ("losetup", "unshare", "mkfs.ext4", "resize2fs", "dumpe2fs", "e2label", "blkid", "mkswap")
_MIB = 1 << 20

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or not Path("/dev/loop-control").exists()
    or not Path("/usr/lib/systemd/systemd-makefs").exists()
    or any(shutil.which(tool) is None for tool in _TOOLS),
    reason="needs root, loop devices, systemd and e2fsprogs",
)

# What a machine has, in a name space of its own. `start` and `stop` of our units do what systemd
# would: it is tried with a real one in the sandbox.
SYSTEM = f"""\
set -e
mount -t tmpfs none /mnt
mkdir -p /mnt/dev/disk/by-id /mnt/upper/etc /mnt/work /mnt/var-lib
cp -a /dev/null /dev/zero /dev/urandom /dev/fd /dev/stdin /dev/stdout /dev/stderr /mnt/dev/
cp -a "$DEVICE" /mnt/dev/
ln -s "$DEVICE" /mnt/dev/disk/by-id/{LINK.rpartition("/")[2]}
mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper/etc,workdir=/mnt/work /etc
mkdir -p "$KEPT/lib/docker" "$KEPT/lib/moor" "$KEPT/etc"
mount --bind "$KEPT/lib" /var/lib
mkdir -p /etc/moor /etc/docker
mount --bind "$KEPT/etc" /etc/moor
mount --bind /mnt/dev /dev
mount -t tmpfs none /mnt
mkdir /mnt/moor
"""

# One partition, and what says that there is a table.
TABLE = """\
printf '\\200\\0\\0\\0\\203\\0\\0\\0\\1\\0\\0\\0\\0\\20\\0\\0' |
  dd of="$DEVICE" bs=1 seek=446 conv=notrunc status=none
printf '\\125\\252' | dd of="$DEVICE" bs=1 seek=510 conv=notrunc status=none
"""

SYSTEMCTL = """\
#!/bin/bash
echo "systemctl $*" >>"$KEPT/calls"
case "$*" in
  "start moor-data-folders.service")
    /bin/bash /etc/moor/data-volume.sh prepare &&
      mount -t ext4 "$(readlink -f "$LINK")" /mnt/moor &&
      /bin/bash /etc/moor/data-volume.sh bind ;;
  "stop moor-data-folders.service mnt-moor.mount")
    [[ ! -e /etc/moor/data-volume.sh ]] || /bin/bash /etc/moor/data-volume.sh release
    ! mountpoint -q /mnt/moor || umount /mnt/moor ;;
  "is-active --quiet docker.service") exit 3 ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A block device, and what is kept from one run to the next.

    Attributes:
        folder: The tests' own.
        device: The device.
        file: What is behind it.
    """

    folder: Path
    device: BlockDevice
    file: Path

    def run(self, commands: str) -> tuple[int, str]:
        """Run commands on the machine; returns the exit status and what was printed."""
        variables = {
            "DEVICE": str(self.device.path),
            "KEPT": str(self.folder),
            "LINK": LINK,
            "PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        script = f'{SYSTEM}\nuse() {{ bash {SCRIPT} use {VOLUME} "${{1:-5}}"; }}\n{commands}\n'
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout

    def done(self, commands: str) -> str:
        """Run commands that must succeed."""
        status, text = self.run(commands)
        assert status == 0, text
        return text

    def refused(self, commands: str) -> str:
        """Run commands that must fail; returns the last line."""
        status, text = self.run(commands)
        assert status == 1, text
        return text.splitlines()[-1]

    def resize(self, mib: int) -> None:
        """Give the volume another size."""
        os.truncate(self.file, mib * _MIB)
        self.device.grow()

    @property
    def calls(self) -> list[str]:
        """What systemd was asked."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    file = tmp_path / "volume.img"
    with file.open("wb") as blank:
        blank.truncate(64 * _MIB)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    # An address that no machine of a sandbox has.
    device = BlockDevice.of(IPv4Address("198.51.100.9") + os.getpid() % 200)
    device.attach(file)
    try:
        yield Machine(folder=tmp_path, device=device, file=file)
    finally:
        device.detach()


def test_a_blank_volume_is_formatted_and_what_the_machine_has_is_copied(machine: Machine) -> None:
    (machine.folder / "lib" / "docker" / "volumes").mkdir(parents=True)
    (machine.folder / "lib" / "docker" / "volumes" / "row").write_text("1")
    (machine.folder / "lib" / "docker").chmod(0o710)
    text = machine.done(
        "use; cat /var/lib/docker/volumes/row; stat -c ' %a %m' /var/lib/docker; ls /mnt/moor;"
        "findmnt -n -o LABEL /mnt/moor"
    )
    assert text.splitlines()[-5:] == [
        "1 710 /var/lib/docker",
        "docker",
        "lost+found",
        "moor",
        "moor-data",
    ]


def test_docker_is_stopped_before_and_stays_so(machine: Machine) -> None:
    machine.done("use")
    stop = machine.calls.index("systemctl stop docker.socket docker.service")
    assert machine.calls.index("systemctl daemon-reload") < stop
    assert stop < machine.calls.index("systemctl start moor-data-folders.service")
    assert "systemctl start docker.service" not in machine.calls


def test_what_is_on_the_volume_is_had_again_and_not_copied_over(machine: Machine) -> None:
    machine.done("use; echo mine >/var/lib/docker/row")
    shutil.rmtree(machine.folder / "etc")
    (machine.folder / "lib" / "docker" / "row").write_text("of another machine")
    assert machine.done("use; cat /var/lib/docker/row").splitlines()[-1] == "mine"


def test_nothing_is_stopped_where_all_is_as_it_should_be(machine: Machine) -> None:
    machine.done("use; >$KEPT/calls; use")
    assert [call for call in machine.calls if " stop " in call] == []


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            'mkfs.ext4 -q -L mine "$DEVICE"; debugfs -w -R "ssv mtime 1" "$DEVICE" 2>/dev/null',
            (
                "must hold a file system of Moor's, whose label is moor-data, got ext4 with the "
                "label 'mine'"
            ),
        ),
        (
            'mkswap -q "$DEVICE"',
            "must be blank, or hold a file system of Moor's, got swap",
        ),
        (
            TABLE,
            "must be blank, or hold a file system of Moor's, got a partition table",
        ),
    ],
)
def test_what_is_not_ours_is_refused_and_not_touched(
    machine: Machine, make: str, told: str
) -> None:
    machine.done(make)
    before = machine.file.read_bytes()
    assert machine.refused("use") == (
        f"data-volume.sh: volume {VOLUME}: {told}; nothing of it was changed: take what is on it, "
        "and another volume"
    )
    assert machine.file.read_bytes() == before
    assert machine.calls == []


def test_one_that_was_formatted_and_not_yet_labelled_is_ours(machine: Machine) -> None:
    machine.done('mkfs.ext4 -q "$DEVICE"')
    machine.done("use")


def test_a_volume_that_is_smaller_than_before_is_refused(machine: Machine) -> None:
    machine.done("use")
    machine.resize(48)
    assert machine.refused("use") == (
        f"data-volume.sh: volume {VOLUME}: must be as large as its file system, {64 * _MIB} bytes, "
        f"got {48 * _MIB}; a volume never shrinks"
    )


def test_a_larger_volume_is_a_larger_file_system(machine: Machine) -> None:
    machine.done("use; echo mine >/var/lib/docker/row")
    machine.resize(256)
    # At once, or before the next mount where this kernel refuses.
    machine.done("use; bash /etc/moor/data-volume.sh grow")
    text = machine.done("use; df --output=size -B1M /mnt/moor | tail -n 1; cat /var/lib/docker/row")
    size, row = text.split()[-2:]
    assert (int(size) > 200, row) == (True, "mine")
    assert not (machine.folder / "etc" / "data-volume.small").exists()


def test_a_kernel_that_refuses_lets_it_grow_before_the_next_mount(machine: Machine) -> None:
    machine.done("use")
    machine.resize(256)
    refusing = machine.folder / "bin" / "resize2fs"
    refusing.write_text("#!/bin/sh\necho 'Permission denied to resize filesystem' >&2\nexit 1\n")
    refusing.chmod(0o755)
    assert (
        f"volume {VOLUME}: this kernel does not let it grow while it is in use, so it does at the "
        "next boot: Permission denied to resize filesystem"
    ) in machine.done("use; bash /etc/moor/data-volume.sh grow")
    refusing.unlink()
    text = machine.done("use; df --output=size -B1M /mnt/moor | tail -n 1")
    assert int(text.split()[-1]) > 200


def test_data_that_does_not_fit_is_refused_and_half_a_copy_counts_for_nothing(
    machine: Machine,
) -> None:
    folder = machine.folder / "lib" / "docker"
    folder.mkdir(parents=True)
    (folder / "large").write_bytes(os.urandom(80 * _MIB))
    text = machine.run("use")[1]
    assert f"volume {VOLUME}: must have room for /var/lib/docker, 80 MiB, got " in text
    assert "choose a larger aws.data_volume.size_gib" in text
    (folder / "large").write_bytes(b"small")
    assert machine.done("use; cat /var/lib/docker/large").splitlines()[-1] == "small"


def test_docker_does_not_start_beside_the_volume(machine: Machine) -> None:
    machine.done("use; bash /etc/moor/data-volume.sh check")
    assert machine.refused("bash /etc/moor/data-volume.sh check") == (
        f"data-volume.sh: /var/lib/docker: must be on the volume {VOLUME} before Docker starts, "
        "got the machine's own disk"
    )


def test_a_volume_that_does_not_come_is_told(machine: Machine) -> None:
    assert machine.refused(f"rm {LINK}; use 1") == (
        f"data-volume.sh: volume {VOLUME}: must be attached as an NVMe device, got no {LINK} "
        "within 1 s; is it attached, and is the instance type one of the Nitro system?"
    )


def test_folders_are_the_machines_own_again_when_they_are_released(machine: Machine) -> None:
    text = machine.done(
        "use; echo mine >/var/lib/docker/row; bash /etc/moor/data-volume.sh release;"
        "ls /var/lib/docker"
    )
    assert "row" not in text.split()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "TASK: must be use, prepare, bind, release, check, end or grow, got ''"),
        (
            "use vol0abc",
            "VOLUME: must be a volume's id such as vol-0123456789abcdef0, got 'vol0abc'",
        ),
        (f"use {VOLUME} soon", "SECONDS: must be a number, got 'soon'"),
    ],
)
def test_wrong_words_are_refused(machine: Machine, words: str, told: str) -> None:
    assert machine.refused(f"bash {SCRIPT} {words}") == f"data-volume.sh: {told}"
