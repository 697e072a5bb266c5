"""Files that hold secrets: private from birth, whole or not there at all.

A file written with `open(path, "w")` is readable by others until `chmod` runs, and half-written
when the process dies. Both functions here write a temporary file beside the target, flush it to
the disk and rename it, so that a reader sees the old content or the new one, never a mixture.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import secrets
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FILE_MODE: Final = 0o600
PUBLIC_FILE_MODE: Final = 0o644
PRIVATE_DIRECTORY_MODE: Final = 0o700
GROUP_AND_OTHERS: Final = 0o077


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, in one step.

    Missing parent directories are created with mode 0700.

    Args:
        path: Where to write. An existing file is replaced.
        data: The whole content.

    Raises:
        OSError: The file system refused; the previous content is untouched.
    """
    _write(path, data, PRIVATE_FILE_MODE)


def write_public(path: Path, data: bytes) -> None:
    """Write a file that everybody may read (mode 0644), in one step.

    Missing parent directories are created with mode 0700: what lies beside secrets is no more
    public than they are.

    Args:
        path: Where to write. An existing file is replaced.
        data: The whole content.

    Raises:
        OSError: The file system refused; the previous content is untouched.
    """
    _write(path, data, PUBLIC_FILE_MODE)


def check_private(path: Path) -> None:
    """Check that a file is a regular one that nobody but this user can use, or put another for.

    Who may write into a folder can put another file into the place of each in it, whoever owns
    that. So every folder above must be this user's or root's, and only theirs to write to. Where
    others may write but take away their own things only (the sticky bit, as of /tmp), and where the
    group that may write is this user's own, nobody else could.

    Args:
        path: An existing file; a symbolic link is followed.

    Raises:
        ValueError: The file is not a regular one, is another user's, its group or others have
            rights on it, or a folder above it is not as said.
        OSError: The file cannot be examined, for instance because it does not exist.

    Source: OpenSSH, `safe_path` in `misc.c`, and Debian's change of it for users' own groups.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(
            f"{path}: must be a regular file, got {_kind(state.st_mode)}; give the path of the "
            "file itself"
        )
    _check_owner(path, state)
    if state.st_mode & GROUP_AND_OTHERS:
        raise ValueError(
            f"{path}: mode: must give no rights to group and others, "
            f"got {stat.S_IMODE(state.st_mode):04o}; chmod 600 {path}"
        )
    for folder in path.resolve().parents:
        _check_folder(folder, path)


def _check_owner(path: Path, state: os.stat_result) -> None:
    user = os.geteuid()
    if state.st_uid not in (user, 0):
        name = _user(user)
        raise ValueError(
            f"{path}: owner: must be this user ({name}) or root, got {_user(state.st_uid)}; "
            f"chown {name} {path}, if it is yours"
        )


def _check_folder(folder: Path, path: Path) -> None:
    state = folder.stat()
    _check_owner(folder, state)
    mode = state.st_mode
    if mode & stat.S_ISVTX:
        return
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(state.st_gid)):
        raise ValueError(
            f"{folder}: mode: must not let group and others write, who could then put another "
            f"file for {path}, got {stat.S_IMODE(mode):04o}; chmod go-w {folder}"
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"the user {number}"


def _is_own_group(number: int) -> bool:
    """Return whether nobody but this user, and root, is in a group."""
    allowed = {os.geteuid(), 0}
    users = pwd.getpwall()
    try:
        members = set(grp.getgrgid(number).gr_mem)
    except KeyError:
        members = set()
    inside = {u.pw_uid for u in users if u.pw_gid == number or u.pw_name in members}
    # A member that this computer does not list may come from a directory service.
    return inside <= allowed and members <= {u.pw_name for u in users}


def make_private_directory(path: Path) -> None:
    """Create a directory and its missing parents with mode 0700; leave existing ones alone.

    Args:
        path: The directory.

    Raises:
        OSError: The file system refused, or something that is no directory stands there.
    """
    # `Path.mkdir(parents=True, mode=…)` gives the mode to the last directory only.
    missing = []
    current = path
    while not current.exists():
        missing.append(current)
        current = current.parent
    for directory in reversed(missing):
        directory.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def _write(path: Path, data: bytes, mode: int) -> None:
    make_private_directory(path.parent)
    # In the same directory: `rename` is atomic within one file system only.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    # O_EXCL also refuses a symbolic link that somebody left under this name. The mode is given
    # here, not later: the umask can only take rights away from it.
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE_MODE
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    # Without this the rename itself may be lost when the machine loses power.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a device, pipe or socket"
