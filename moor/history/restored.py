"""Files that have changed since a deployment, had back from the Git commit that it was made of.

No record keeps a file, which may hold a password. But a record knows the commit, and a digest of
the file: where the commit has a file of that digest, it is the one that was deployed.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.private_file import write_private
from moor.history import delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_SECONDS: Final = 10
_MODES: Final = {b"100644": 0o644, b"100755": 0o755}
"""Git's own: links and folders are had back by hand."""


def from_git(
    changed: Mapping[str, str],
    *,
    commit: str,
    folder: Path,
    into: Path,
    digest: Callable[[bytes], str],
) -> dict[str, Path]:
    """Write the files that a commit has as they were deployed.

    Args:
        changed: The digests of the files on record, by their paths from the folder.
        commit: The commit; empty where there is none.
        folder: The project's folder.
        into: Where to write them; a private folder.
        digest: Returns a digest that needs a key.

    Returns:
        Where each file is that could be had back, by its path from the folder.
    """
    top = _git(folder, "rev-parse", "--show-toplevel") if commit and changed else None
    if top is None:
        return {}
    found = {}
    for number, (path, wanted) in enumerate(sorted(changed.items())):
        name = os.path.relpath(folder.resolve() / path, os.fsdecode(top.strip()))
        listed = _git(folder, "ls-tree", "--full-tree", commit, "--", name) or b""
        mode = _MODES.get(listed.partition(b" ")[0])
        content = _git(folder, "show", f"{commit}:{name}") if mode is not None else None
        if mode is None or content is None:
            continue
        file = into / str(number) / os.path.basename(path)  # noqa: PTH119  (a text, not a path)
        write_private(file, content)
        # As Git makes it in a checkout: a mounted file has its own permissions.
        file.chmod(mode)
        if delivered.digest_of(file, digest) == wanted:
            found[path] = file
    return found


def put_into(
    document: Mapping[str, Any], files: Mapping[str, Path], folder: Path
) -> dict[str, Any]:
    """Return a document that takes files from where they were restored.

    Args:
        document: The document of a record.
        files: Where the files are, by their paths from the folder.
        folder: The project's folder.
    """

    def place(path: object) -> str | None:
        file = files.get(os.path.normpath(path)) if isinstance(path, str) else None
        return None if file is None else os.path.relpath(file, folder.resolve())

    def mounted(mount: Mapping[str, Any]) -> Mapping[str, Any]:
        source = place(mount.get("source")) if mount.get("type") == "bind" else None
        return mount if source is None else {**mount, "source": source}

    def named(body: Mapping[str, Any]) -> Mapping[str, Any]:
        file = place(body.get("file"))
        return body if file is None else {**body, "file": file}

    found = dict(document)
    found["services"] = {
        name: {**body, "volumes": [mounted(m) for m in body["volumes"]]}
        if body.get("volumes")
        else body
        for name, body in document.get("services", {}).items()
    }
    for kind in ("secrets", "configs"):
        if document.get(kind):
            found[kind] = {key: named(body) for key, body in document[kind].items()}
    return found


def _git(folder: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            check=False,
            capture_output=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
