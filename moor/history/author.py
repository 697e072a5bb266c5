"""Who deploys, and which commit."""

from __future__ import annotations

import getpass
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who deploys.

    Attributes:
        by: `USER@COMPUTER`.
        commit: The Git commit of a folder; empty where it is in no repository.
        changed: Whether the folder has changes that no commit has.
    """

    by: str
    commit: str = ""
    changed: bool = False

    @classmethod
    def of(cls, folder: Path) -> Author:
        """Return who deploys what is in a folder."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            # A user without an entry, as in a container.
            user = "somebody"
        by = f"{user}@{socket.gethostname()}"
        commit = _git(folder, "rev-parse", "HEAD")
        if not commit:
            return cls(by=by)
        return cls(by=by, commit=commit, changed=bool(_git(folder, "status", "--porcelain", ".")))


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
