"""What containers get from this computer: a digest of each thing, since no record keeps it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from constructs_lib.files import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from constructs_lib.compose.model import ComposeProject


def files(project: ComposeProject, folder: Path, digest: Callable[[bytes], str]) -> dict[str, str]:
    """Return the digest of each file and folder of this computer that a service gets.

    Args:
        project: The services.
        folder: The project's folder, from which paths are told.
        digest: Returns a digest that needs a key: a secret may be short.

    Returns:
        Digests by path; that of a file or folder which is not there is empty.
    """
    return {
        os.path.relpath(source, folder): digest_of(source, digest)
        for source in sorted(set(_sources(project)))
    }


def digest_of(source: Path, digest: Callable[[bytes], str]) -> str:
    """Return the digest of a file or folder; empty where there is none.

    Args:
        source: The file or folder.
        digest: Returns a digest that needs a key.

    Raises:
        OSError: It cannot be read.
        ValueError: A folder cannot travel to a machine.
    """
    if source.is_dir():
        return digest(tree.approval(tree.digests(source, tree.entries_of(source))).encode())
    return digest(tree.digest_of_file(source).encode()) if source.is_file() else ""


def told(path: str, *, folder: Path, commit: str) -> str:
    """Say that a file or folder is not what it was.

    Args:
        path: Its path from the folder.
        folder: The project's folder.
        commit: The Git commit of the record; or nothing.
    """
    got = "another content" if (folder / path).exists() else "nothing"
    remedy = (
        f"see `git log -- {path}` around {commit[:12]}, which has another one, too"
        if commit
        else "put back what it was"
    )
    return f"{path}: must be what was deployed, got {got}, and no record keeps it; {remedy}"


def _sources(project: ComposeProject) -> Iterator[Path]:
    for service in project.services.values():
        yield from (d.source for d in service.deliveries if d.source is not None)
        yield from (mount.source for mount in service.folders)
    yield from (v.folder for v in project.volumes.values() if v.folder is not None)
