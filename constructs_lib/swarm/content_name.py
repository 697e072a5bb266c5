"""What secrets and configs are called in a swarm, and where their identities are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["secret", "config"]
KINDS: Final[tuple[Kind, ...]] = ("secret", "config")

_DIGITS: Final = 12
_LONGEST: Final = 64


def content_name(project: str, path: str, digest: str) -> str:
    """Return what a secret or config is called in the swarm.

    Args:
        project: The project's name.
        path: Its path in the containers, of which the last part is taken.
        digest: The keyed hash of its content, of which the first 12 digits are taken.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", path.rpartition("/")[2]) or "file"
    room = _LONGEST - len(project) - _DIGITS - 2
    return f"{project}_{plain[: max(room, 1)]}_{digest[:_DIGITS]}"


def identity_file(folder: Path, kind: Kind, name: str) -> Path:
    """Return the file that has what the engine calls a secret or config."""
    return folder / f"{kind}-{name}.tfstate"
