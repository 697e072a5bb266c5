"""Secrets on disk: private from birth, whole or not there."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from constructs_lib.files.private_file import (
    check_private,
    make_private_directory,
    write_private,
    write_public,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The most permissive umask: what protects a file must be ours."""
    previous = os.umask(0)
    yield
    os.umask(previous)


@pytest.mark.usefixtures("open_umask")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    write_private(tmp_path / "a" / "b" / "key.pem", b"secret")
    write_public(tmp_path / "a" / "b" / "cert.pem", b"public")
    assert mode_of(tmp_path / "a" / "b" / "key.pem") == 0o600
    assert mode_of(tmp_path / "a" / "b" / "cert.pem") == 0o644
    assert mode_of(tmp_path / "a") == 0o700
    assert mode_of(tmp_path / "a" / "b") == 0o700


def test_a_public_file_is_readable_under_a_strict_umask(tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        write_public(tmp_path / "cert.pem", b"public")
    finally:
        os.umask(previous)
    assert mode_of(tmp_path / "cert.pem") == 0o644


@pytest.mark.usefixtures("open_umask")
def test_the_file_is_private_before_it_has_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    real_open = os.open

    def watch(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real_open(path, flags, mode)
        if flags & os.O_CREAT:
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watch)
    write_private(tmp_path / "key.pem", b"secret")
    assert modes == [0o600]


def test_replacing_a_readable_file_makes_it_private(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode_of(path) == 0o600


def test_a_symbolic_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    path = tmp_path / "key.pem"
    path.symlink_to(victim)
    write_private(path, b"secret")
    assert victim.read_bytes() == b"untouched"
    assert not path.is_symlink()


def test_a_failure_before_the_rename_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"old")

    def disk_full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["key.pem"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"old")
    program = f"""
import os, pathlib, signal, sys
from constructs_lib.files.private_file import write_private
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
{"os.fsync = die" if moment == "fsync" else "pathlib.Path.replace = die"}
write_private(pathlib.Path(sys.argv[1]), b"new" * 100)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    # What the dead process left behind is at least no one else's to read.
    assert {mode_of(p) for p in tmp_path.iterdir()} == {0o600}
    write_private(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_a_reader_never_sees_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    contents = [bytes([n]) * 50_000 for n in (65, 66)]
    write_private(path, contents[0])
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(40):
        write_private(path, contents[n % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_check_private_accepts_the_owners_rights(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"")
    path.chmod(mode)
    check_private(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644])
def test_check_private_fails_when_others_have_rights(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"")
    path.chmod(mode)
    with pytest.raises(ValueError, match="mode") as error:
        check_private(path)
    assert str(error.value) == (
        f"{path}: mode: must give no rights to group and others, got {mode:04o}; chmod 600 {path}"
    )


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
NOBODY = pwd.getpwnam("nobody")


def key_in(folder: Path, *, mode: int) -> Path:
    path = folder / "inner" / "key.pem"
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    folder.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o773])
def test_check_private_fails_when_others_could_put_another_file(tmp_path: Path, mode: int) -> None:
    path = key_in(tmp_path / "open", mode=mode)
    with pytest.raises(ValueError, match="must not let") as error:
        check_private(path)
    assert str(error.value) == (
        f"{tmp_path / 'open'}: mode: must not let group and others write, who could then put "
        f"another file for {path}, got {mode:04o}; chmod go-w {tmp_path / 'open'}"
    )


@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o1775, 0o711])
def test_check_private_accepts_folders_in_which_nobody_could(tmp_path: Path, mode: int) -> None:
    check_private(key_in(tmp_path / "shared", mode=mode))


@ROOT_ONLY
def test_a_group_may_write_that_is_the_users_own(tmp_path: Path) -> None:
    path = key_in(tmp_path / "team", mode=0o775)
    os.chown(tmp_path / "team", 0, 0)
    check_private(path)
    os.chown(tmp_path / "team", 0, NOBODY.pw_gid)
    with pytest.raises(ValueError, match=r"must not let group and others write.*got 0775"):
        check_private(path)


@ROOT_ONLY
def test_check_private_fails_when_the_file_is_another_users(tmp_path: Path) -> None:
    path = key_in(tmp_path / "mine", mode=0o755)
    os.chown(path, NOBODY.pw_uid, -1)
    with pytest.raises(ValueError, match="owner") as error:
        check_private(path)
    assert str(error.value) == (
        f"{path}: owner: must be this user (root) or root, got nobody; chown root {path}, "
        "if it is yours"
    )


@ROOT_ONLY
def test_check_private_fails_when_a_folder_is_another_users(tmp_path: Path) -> None:
    path = key_in(tmp_path / "theirs", mode=0o755)
    os.chown(tmp_path / "theirs", 4_000_000, -1)
    with pytest.raises(ValueError, match=r"theirs: owner: must be .* got the user 4000000; chown"):
        check_private(path)


def test_the_folders_are_those_of_the_file_itself(tmp_path: Path) -> None:
    path = key_in(tmp_path / "open", mode=0o777)
    link = tmp_path / "link.pem"
    link.symlink_to(path)
    with pytest.raises(ValueError, match="open: mode: must not let"):
        check_private(link)


def test_check_private_fails_when_it_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="regular") as error:
        check_private(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: must be a regular file, got a directory; give the path of the file itself"
    )


def test_check_private_fails_when_it_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ValueError, match="got a device, pipe or socket"):
        check_private(tmp_path / "pipe")


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    make_private_directory(tmp_path / "shared" / "own")
    assert mode_of(tmp_path / "shared") == 0o755
    assert mode_of(tmp_path / "shared" / "own") == 0o700


def test_make_private_directory_fails_when_a_file_stands_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        make_private_directory(tmp_path / "file")
