"""A build's context: the files of a folder that an image is built from."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

IGNORE = ".dockerignore"


def without_ignored(folder: Path, dockerfile: str) -> TemporaryDirectory[str] | None:
    """Copy what `.dockerignore` leaves of a context.

    The rest would be copied beside the configuration, and a change in it would build the image
    again: a `.git` or a `node_modules`, at every turn.

    Args:
        folder: The context.
        dockerfile: The path of the `Dockerfile` in it, which is never ignored.

    Returns:
        The copy, which is there for as long as the result is; None where no file is ignored.

    Raises:
        OSError: A file cannot be read.
        ValueError: The patterns are no text.

    Source:
        The rules are Docker's, as its SDK knows them.
    """
    ignore = folder / IGNORE
    if not ignore.is_file():
        return None
    # Imported here: it is heavy, and few contexts need it.
    from docker.utils.build import exclude_paths  # noqa: PLC0415

    lines = [line.strip() for line in ignore.read_text(encoding="utf-8-sig").splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    copy = TemporaryDirectory(prefix="moor-context-")
    for name in sorted({*exclude_paths(str(folder), patterns, dockerfile), IGNORE}):
        source, target = folder / name, Path(copy.name, name)
        if source.is_dir() and not source.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return copy
