# ruff: noqa: ANN401  # moto's backends, snapshots and volumes have no usable types
"""EBS snapshots: what CreateSnapshot makes is a copy of the volume's file, as of that moment.

A copy takes a while, and what is copied must not change meanwhile: what is mounted is frozen until
it is done. Where the file system can, it shares blocks instead, which takes no time and no room.
Snapshots outlive the emulator, as volumes do.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import make_private_directory, write_private
from sandbox.api.methods import api_error
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.api.volumes import Volumes

FOLDER: Final = "snapshots"
"""Where snapshots are in the sandbox's own folder."""

_MIB: Final = 1 << 20
_BLOCK: Final = 512
"""What `st_blocks` counts in (Source: inode(7))."""


class Snapshots:
    """The snapshots of one sandbox.

    Args:
        folder: Where their files are.
        volumes: What they are taken of, and what is made of them.
    """

    def __init__(self, folder: Path, volumes: Volumes) -> None:
        self._folder = folder
        self._volumes = volumes

    # The methods below stand in for methods of moto's backend. Each gets the original, the
    # backend, and the call's own arguments.

    def create(
        self, original: Callable[..., Any], backend: Any, volume_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for moto's `create_snapshot`: the volume's file is copied."""
        snapshot = original(backend, volume_id, *args, **kwargs)
        if not self._volumes.has(volume_id):
            return snapshot
        make_private_directory(self._folder)
        try:
            with self._volumes.still(volume_id) as file:
                copy(file, self._file(snapshot.id))
        except BaseException:
            backend.snapshots.pop(snapshot.id, None)
            raise
        volume = snapshot.volume
        # The volume may grow or go; of the snapshot its size and name stay.
        snapshot.volume = SimpleNamespace(id=volume.id, size=volume.size)
        self._remember(snapshot)
        return snapshot

    def delete(self, original: Callable[..., Any], backend: Any, snapshot_id: str) -> Any:
        """Stand in for moto's `delete_snapshot`: the copy goes, too."""
        snapshot = original(backend, snapshot_id)
        self._file(snapshot_id).unlink(missing_ok=True)
        self._notes(snapshot_id).unlink(missing_ok=True)
        return snapshot

    def create_volume(
        self, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for moto's `create_volume`: one of a snapshot begins with what is in it."""
        snapshot_id = kwargs.get("snapshot_id")
        if not snapshot_id or not self._file(snapshot_id).exists():
            return self._volumes.create(original, backend, *args, **kwargs)
        least = backend.get_snapshot(snapshot_id).volume.size
        size = kwargs.get("size")
        if size is not None and int(size) < least:
            raise api_error(
                "InvalidParameterValue",
                f"Volume of {size}GiB is smaller than snapshot '{snapshot_id}', expect size >= "
                f"{least}GiB",
            )
        volume = self._volumes.create(original, backend, *args, **kwargs)
        try:
            self._volumes.fill(volume, lambda file: copy(self._file(snapshot_id), file))
        except BaseException:
            backend.delete_volume(volume.id)
            raise
        return volume

    def tag(self, backend: Any, ids: list[str]) -> None:
        """Write down the tags of those among some resources that are snapshots."""
        for snapshot_id in ids:
            if snapshot_id in backend.snapshots and self._file(snapshot_id).exists():
                self._remember(backend.snapshots[snapshot_id])

    def restore(self) -> None:
        """Let moto know the snapshots of the emulator before this one."""
        from moto.ec2.models import ec2_backends  # noqa: PLC0415  # reads the environment
        from moto.ec2.models.elastic_block_store import Snapshot  # noqa: PLC0415

        for notes in sorted(self._folder.glob("snap-*.json")):
            if not self._file(notes.stem).exists():
                continue
            said = json.loads(notes.read_text(encoding="utf-8"))
            backend = ec2_backends[said["account"]][said["region"]]
            kind: Any = Snapshot
            snapshot = kind(
                backend,
                notes.stem,
                SimpleNamespace(id=said["volume"], size=said["size"]),
                said["description"],
                encrypted=said["encrypted"],
            )
            snapshot.start_time = datetime.fromisoformat(said["started"])
            backend.snapshots[notes.stem] = snapshot
            snapshot.add_tags(said["tags"])

    def _remember(self, snapshot: Any) -> None:
        """Write down what the next emulator has to know of a snapshot."""
        notes = {
            "account": snapshot.ec2_backend.account_id,
            "region": snapshot.ec2_backend.region_name,
            "volume": snapshot.volume.id,
            "size": snapshot.volume.size,
            "description": snapshot.description,
            "encrypted": snapshot.encrypted,
            "started": snapshot.start_time.isoformat(),
            "tags": {tag["key"]: tag["value"] for tag in snapshot.get_tags()},
        }
        write_private(self._notes(snapshot.id), json.dumps(notes, indent=1).encode())

    def _file(self, snapshot_id: str) -> Path:
        return self._folder / f"{snapshot_id}.img"

    def _notes(self, snapshot_id: str) -> Path:
        return self._folder / f"{snapshot_id}.json"


def copy(source: Path, target: Path) -> None:
    """Copy a file with its holes, sharing blocks where the file system can.

    Args:
        source: The file.
        target: The copy, with mode 0600; it may be there, and is nothing but the copy afterwards.

    Raises:
        SandboxError: It does not fit on the disk, or cannot be written. No target is left.
    """
    with _removed_at_failure(target):
        target.touch(mode=0o600)
        words = ["cp", "--reflink=auto", "--sparse=always", "--", str(source), str(target)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        wanted = source.stat().st_blocks * _BLOCK // _MIB
        target.unlink(missing_ok=True)
        free = shutil.disk_usage(target.parent).free // _MIB
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise SandboxError(
            f"{target}: must fit on this computer's disk, {wanted} MiB, got {free} MiB free "
            f"({why}); make room, or remove snapshots with `moor backup prune`"
        )


@contextlib.contextmanager
def _removed_at_failure(file: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise
