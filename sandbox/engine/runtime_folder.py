"""A folder for what holds until the computer is switched off, and which nobody else may write.

What is written there is believed later: which engine is ours, and may be stopped.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from constructs_lib.files.private_file import GROUP_AND_OTHERS, PRIVATE_DIRECTORY_MODE
from sandbox.errors import SandboxError

ROOTS: Final = Path("/run/moor-sandbox")
"""Root's own: nobody else may make a folder in /run."""

USERS: Final = Path("/run/user")
"""Where each user who has logged in has a folder of his own."""

_ROOT: Final = 0


def runtime_folder() -> Path:
    """Return the folder, and make it where it is missing. All checkouts of a user share it.

    Raises:
        SandboxError: What stands there is not ours alone.
    """
    user = os.geteuid()
    if user == _ROOT:
        return private(ROOTS)
    session = USERS / str(user)
    if session.is_dir() and session.stat().st_uid == user:
        return private(session / "moor-sandbox")
    # Where there is no session, as in a container: anybody may have made it, which is seen.
    return private(Path(tempfile.gettempdir()) / f"moor-sandbox-{user}")


def private(folder: Path) -> Path:
    """Make a folder that only its owner can use, or see that the one that is there is so.

    Args:
        folder: In a folder that exists.

    Returns:
        The folder.

    Raises:
        SandboxError: It is a link, somebody else's, or open to others.
    """
    try:
        folder.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        msg = f"{folder}: must be a folder of ours, got: {error.strerror}; remove it"
        raise SandboxError(msg) from error
    owner, mode = status.st_uid, stat.S_IMODE(status.st_mode)
    if not stat.S_ISDIR(status.st_mode) or owner != os.geteuid():
        msg = (
            f"{folder}: must be a folder of user {os.geteuid()}, got "
            f"{'one' if stat.S_ISDIR(status.st_mode) else 'something else'} of user {owner}; "
            "remove it"
        )
        raise SandboxError(msg)
    if mode & GROUP_AND_OTHERS:
        msg = f"{folder}: mode: must give no rights to others, got {mode:04o}; chmod 700 {folder}"
        raise SandboxError(msg)
    return folder
