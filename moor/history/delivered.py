"""What containers get from this computer: a digest of each thing, since no record keeps it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from constructs_lib.files import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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
    found = {}
    for source in sorted(set(_sources(project))):
        told = os.path.relpath(source, folder)
        if source.is_dir():
            listed = tree.entries_of(source)
            whole = tree.approval(tree.digests(source, listed))
            found[told] = digest(whole.encode())
        else:
            found[told] = digest(tree.digest_of_file(source).encode()) if source.is_file() else ""
    return found


def changed(then: Mapping[str, str], now: Mapping[str, str], *, commit: str) -> Iterator[str]:
    """Say which files are not what they were.

    Args:
        then: The digests on record.
        now: The present ones.
        commit: The Git commit of the record, which may have them; or nothing.
    """
    for path in sorted(then):
        if now.get(path) == then[path]:
            continue
        got = "nothing" if not now.get(path) else "another content"
        remedy = (
            f"`git checkout {commit[:12]} -- {path}` may have it"
            if commit
            else "put back what it was"
        )
        yield f"{path}: must be what was deployed, got {got}, and no record keeps it; {remedy}"


def _sources(project: ComposeProject) -> Iterator[Path]:
    for service in project.services.values():
        yield from (d.source for d in service.deliveries if d.source is not None)
        yield from (mount.source for mount in service.folders)
    yield from (v.folder for v in project.volumes.values() if v.folder is not None)
