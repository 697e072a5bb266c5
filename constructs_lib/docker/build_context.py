"""A build's context: the files of a folder that an image is built from."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

IGNORE = ".dockerignore"
INLINE = ".dockerfile-inline"
"""What a `Dockerfile` is called in the copy that is a text of the Compose file."""


def copy_of(
    folder: Path, dockerfile: str, *, inline: str | None = None
) -> TemporaryDirectory[str] | None:
    """Copy those files of a context that the builder is to have.

    Without the copy, the files that `.dockerignore` names would be copied beside the
    configuration, too, and a change in one of them would build the image again: in a `.git`
    or a `node_modules` there is always some.

    Args:
        folder: The context.
        dockerfile: The path of the `Dockerfile` in it, which is never ignored.
        inline: The text of that `Dockerfile`, where it is no file of the context.

    Returns:
        The copy, which is removed together with this object; None where it would be the same as
        the folder.

    Raises:
        OSError: A file cannot be read.
        ValueError: `.dockerignore` is not UTF-8.

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
