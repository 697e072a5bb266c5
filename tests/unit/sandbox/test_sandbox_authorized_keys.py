"""SSH keys from several sources."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

from sandbox.machines.machine_image.authorized_keys import authorize

if TYPE_CHECKING:
    from pathlib import Path


def test_sources_stand_beside_each_other(tmp_path: Path) -> None:
    authorize("core", "coreos-cloudinit", ("two ", "three"), root=tmp_path)
    authorize("core", "afterburn", ("one",), root=tmp_path)
    folder = tmp_path / "home/core/.ssh"
    assert (folder / "authorized_keys").read_text() == "one\ntwo\nthree\n"
    authorize("core", "coreos-cloudinit", ("four",), root=tmp_path)
    assert (folder / "authorized_keys").read_text() == "one\nfour\n"


def test_nobody_else_may_read_or_write_them(tmp_path: Path) -> None:
    authorize("core", "afterburn", ("one",), root=tmp_path)
    folder = tmp_path / "home/core/.ssh"
    modes = {p.name: p.stat().st_mode & 0o777 for p in (folder, *folder.rglob("*"))}
    assert modes == {
        ".ssh": 0o700,
        "authorized_keys.d": 0o700,
        "authorized_keys": 0o600,
        "afterburn": 0o600,
    }
    assert [p.name for p in (tmp_path / "home/core").iterdir()] == [".ssh"]


def test_two_sources_that_come_at_the_same_time_take_turns(tmp_path: Path) -> None:
    authorize("core", "before", ("ssh-ed25519 A",), root=tmp_path)
    folder = tmp_path / "home" / "core" / ".ssh"
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    threads = [
        threading.Thread(
            target=authorize,
            args=("core", name, (f"ssh-ed25519 {name}",)),
            kwargs={"root": tmp_path},
        )
        for name in ("one", "two", "three")
    ]
    for thread in threads:
        thread.start()
    threads[0].join(0.2)
    assert all(thread.is_alive() for thread in threads)
    os.close(descriptor)
    for thread in threads:
        thread.join()
    assert (folder / "authorized_keys").read_text() == (
        "ssh-ed25519 A\nssh-ed25519 one\nssh-ed25519 three\nssh-ed25519 two\n"
    )
    assert not list(folder.parent.glob(".*.new"))
