"""A user's SSH keys, from several sources, as Flatcar's `update-ssh-keys` keeps them.

Each source has a file of its own beside the one that sshd reads, which is all of them together: a
source that writes anew takes nothing away from another.

Source: flatcar/update-ssh-keys, README.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path


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
    _write(sources / source, "".join(f"{key.strip()}\n" for key in keys), entry)
    _write(
        folder / "authorized_keys",
        "".join(file.read_text() for file in sorted(sources.iterdir())),
        entry,
    )


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
