"""A build's context: the files of a folder that an image is built from."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

IGNORE = ".dockerignore"
INLINE = ".dockerfile-inline"
"""The name that a `Dockerfile` gets which is no file."""


def prepared(
    folder: Path, dockerfile: str, *, inline: str | None = None
) -> TemporaryDirectory[str] | None:
    """Copy what of a context the builder gets.

    What `.dockerignore` names would be copied beside the configuration, and a change in it would
    build the image again: a `.git` or a `node_modules`, at every turn.

    Args:
        folder: The context.
        dockerfile: The path of the `Dockerfile` in it, which is never ignored.
        inline: The text of that `Dockerfile`, where it is no file of the context.

    Returns:
        The copy, which is there for as long as the result is; None where it would be the same.

    Raises:
        OSError: A file cannot be read.
        ValueError: The patterns are no text.

    Source:
        The rules are Docker's, as its SDK knows them.
    """
    ignore = folder / IGNORE
    text = ignore.read_text(encoding="utf-8-sig") if ignore.is_file() else None
    if text is None and inline is None:
        return None
    # Imported here: it is heavy, and few contexts need it.
    from docker.utils.build import exclude_paths  # noqa: PLC0415

    lines = [line.strip() for line in (text or "").splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    names = exclude_paths(str(folder), patterns, dockerfile)
    if text is not None:
        names.add(IGNORE)
    copy = TemporaryDirectory(prefix="moor-context-")
    for name in sorted(names):
        source, target = folder / name, Path(copy.name, name)
        if source.is_dir() and not source.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    if inline is not None:
        Path(copy.name, dockerfile).write_text(inline, encoding="utf-8")
    return copy
