"""Snapshots of volumes that are files; with machines they are tried in tests/sandbox."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import EBSBackend

from sandbox.api import volumes as of_volumes
from sandbox.api.snapshots import FOLDER, Snapshots, copy
from sandbox.api.volumes import Volumes
from sandbox.errors import SandboxError
from sandbox.machines import block_device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT, REGION, ZONE = "123456789012", "eu-central-1", "eu-central-1a"


class Books:
    """moto's books of volumes and snapshots, with files behind them."""

    def __init__(self, folder: Path) -> None:
        machines: Any = None
        self.folder = folder
        self.volumes = Volumes(folder / of_volumes.FOLDER, machines, {})
        self.snapshots = Snapshots(folder / FOLDER, self.volumes)
        self.backend: Any = ec2_backends[ACCOUNT][REGION]

    def volume(self, **keys: Any) -> Any:  # noqa: ANN401  (moto has no types)
        """Make a volume."""
        arguments = {"size": 1, "zone_name": ZONE, "throughput": None, **keys}
        return self.snapshots.create_volume(EBSBackend.create_volume, self.backend, **arguments)

    def snapshot(self, volume: str) -> Any:  # noqa: ANN401  (likewise)
        """Make a snapshot."""
        return self.snapshots.create(EBSBackend.create_snapshot, self.backend, volume, "trial")

    def file(self, name: str) -> Path:
        """Return the file behind a volume or a snapshot."""
        (found,) = self.folder.glob(f"*/{name}.img")
        return found


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    # What follows attaches nothing, so that this computer need not have such devices.
    monkeypatch.setattr(block_device, "must_be_there", lambda: None)
    yield Books(tmp_path)
    ec2_backends[ACCOUNT].pop(REGION, None)


def write(file: Path, text: bytes) -> None:
    with file.open("r+b") as opened:
        opened.write(text)


def test_a_snapshot_is_of_its_moment_and_a_volume_begins_with_it(books: Books) -> None:
    volume = books.volume()
    write(books.file(volume.id), b"before")
    snapshot = books.snapshot(volume.id)
    write(books.file(volume.id), b"after!")
    again = books.volume(snapshot_id=snapshot.id, size=2)
    assert books.file(again.id).read_bytes()[:6] == b"before"
    assert books.file(again.id).stat().st_size == 2 << 30
    # Neither takes the room of what was never written.
    assert books.file(again.id).stat().st_blocks * 512 < 1 << 20
    assert books.file(snapshot.id).stat().st_mode & 0o777 == 0o600


def test_a_deleted_snapshot_leaves_nothing(books: Books) -> None:
    snapshot = books.snapshot(books.volume().id)
    books.snapshots.delete(EBSBackend.delete_snapshot, books.backend, snapshot.id)
    assert list((books.folder / FOLDER).iterdir()) == []


def test_a_volume_smaller_than_its_snapshot_is_refused(books: Books) -> None:
    snapshot = books.snapshot(books.volume(size=2).id)
    with pytest.raises(EC2ClientError, match=r"Volume of 1GiB is smaller than snapshot 'snap-"):
        books.volume(snapshot_id=snapshot.id, size=1)


def test_the_next_emulator_has_the_snapshot_though_the_volume_is_gone(books: Books) -> None:
    volume = books.volume()
    snapshot = books.snapshot(volume.id)
    snapshot.add_tags({"data-volume": "manager-1"})
    books.snapshots.tag(books.backend, [snapshot.id])
    books.volumes.delete(EBSBackend.delete_volume, books.backend, volume.id)
    started = snapshot.start_time
    ec2_backends[ACCOUNT].pop(REGION)
    after = Books(books.folder)
    after.volumes.restore()
    after.snapshots.restore()
    (found,) = after.backend.describe_snapshots([snapshot.id])
    assert (found.volume_id, found.volume_size, found.start_time) == (volume.id, 1, started)
    assert [(tag["key"], tag["value"]) for tag in found.get_tags()] == [
        ("data-volume", "manager-1")
    ]
    assert after.volume(snapshot_id=snapshot.id).size == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is small")
def test_a_disk_that_is_full_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    small, source = tmp_path / "small", tmp_path / "volume.img"
    small.mkdir()
    source.write_bytes(os.urandom(3 << 20))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=True)
    try:
        target = small / "snap-1.img"
        text = rf"{re.escape(str(target))}: must fit on this computer's disk, 3 MiB, got 1 MiB free"
        with pytest.raises(SandboxError, match=f"^{text} .*No space left on device.*backup prune"):
            copy(source, target)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
