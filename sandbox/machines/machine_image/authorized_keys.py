"""A user's SSH keys, from several sources, as Flatcar's `update-ssh-keys` keeps them.

Each source has a file of its own beside the one that sshd reads, which is all of them together: a
source that writes anew takes nothing away from another. Two sources that come at the same time, as
they do while a machine boots, take turns.

Source: flatcar/update-ssh-keys, README.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def authorize(user: str, source: str, keys: tuple[str, ...], *, root: Path = Path("/")) -> None:
    """Let keys log in as a user.

    Args:
        user: The user's name.
        source: Who says so, such as `coreos-cloudinit`; what it said before is forgotten.
        keys: Public keys.
        root: The root folder; below another one than `/` nothing changes its owner.

    Raises:
        OSError: A file cannot be written.
        KeyError: There is no such user.
    """
    real = root == Path("/")
    entry = pwd.getpwnam(user) if real else None
    home = Path(entry.pw_dir) if entry else root / "home" / user
    folder = home / ".ssh"
    sources = folder / "authorized_keys.d"
    for path in (folder, sources):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _own(path, entry)
    with _turn(folder):
        _write(sources / source, "".join(f"{key.strip()}\n" for key in keys), entry)
        _write(
            folder / "authorized_keys",
            "".join(file.read_text() for file in sorted(sources.iterdir())),
            entry,
        )


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Be the only one that writes into a folder; another one waits."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(file: Path, text: str, entry: pwd.struct_passwd | None) -> None:
    temporary = file.parent.parent / f".{file.name}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    _own(temporary, entry)
    temporary.replace(file)


def _own(path: Path, entry: pwd.struct_passwd | None) -> None:
    if entry is not None:
        os.chown(path, entry.pw_uid, entry.pw_gid)
