"""A build's context: the files of a folder that an image is built from.

The folder is read where it is. Its digest tells whether the image has to be built again; the
builder's own client sends the files, and leaves out the same ones.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.files.tree import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

IGNORE: Final = ".dockerignore"
_CHUNK: Final = 1024 * 1024
_MASK: Final = 0o022
"""Permissions that differ between the checkouts of two people, by their umask."""


class ContextError(Exception):
    """A context cannot be read; the text says which file, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """What of a context the builder does not get.

    Attributes:
        file: The file that says so; None where there is none.
        content: What stands in it.
    """

    file: Path | None = None
    content: bytes = b""

    @classmethod
    def of(cls, folder: Path, dockerfile: Path | None) -> Ignored:
        """Find the file that counts for a build.

        Args:
            folder: The context.
            dockerfile: The `Dockerfile`, where it is a file: one beside it with `.dockerignore`
                at its end counts before the one in the context.

        Raises:
            ContextError: The file cannot be read.
        """
        candidates = [] if dockerfile is None else [Path(f"{dockerfile}{IGNORE}")]
        for file in (*candidates, folder / IGNORE):
            if file.is_file():
                return cls(file=file, content=file_content(file))
        return cls()

    @property
    def patterns(self) -> list[str]:
        """The patterns.

        Raises:
            ContextError: One is no UTF-8, which the builder's protocol cannot carry.
        """
        lines = [line.strip() for line in self.content.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
        patterns = [line for line in lines if line and not line.startswith(b"#")]
        for line in patterns:
            _must_be_text(line, f"patterns in {shown(self.file or IGNORE)}")
        return [line.decode() for line in patterns]


def inside(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Return those of some paths that are below a folder, relative to it.

    Args:
        folder: The context.
        paths: Absolute paths of what is never sent, whether it is there or not.
    """
    base = folder.resolve()
    found = [path.resolve() for path in paths]
    below = {path for path in found if base in path.parents}
    return sorted(path.relative_to(base).as_posix() for path in below)


def digest_of(folder: Path, patterns: Sequence[str] = (), without: Sequence[str] = ()) -> str:
    """Return the digest of all that the builder gets of a context.

    Names, kinds, permissions, the contents of files and the targets of links count, and nothing
    else: the same files have one digest on every computer. Links are not followed, as the builder
    does not, so that a broken one is as good as any.

    Args:
        folder: The context.
        patterns: What the builder does not get, as `.dockerignore` has it.
        without: Further paths, relative to the folder, that it does not get.

    Raises:
        ContextError: Something cannot be read.
    """
    total = hashlib.sha256()
    ignores = _Matcher(patterns)
    for name, path, status in sorted(_walk(folder, "", ignores, frozenset(without))):
        _must_be_text(name, f"names in {shown(folder)}")
        kind = stat.S_IFMT(status.st_mode)
        entry = hashlib.sha256()
        if kind == stat.S_IFREG:
            _read(path, entry.update)
        elif kind == stat.S_IFLNK:
            entry.update(os.fsencode(Path(path).readlink()))
        elif kind == stat.S_IFSOCK:
            continue
        # The permissions of a link are the system's.
        mode = 0 if kind == stat.S_IFLNK else stat.S_IMODE(status.st_mode) & ~_MASK
        total.update(b"%s\0%o %o %s\n" % (name, kind, mode, entry.hexdigest().encode()))
    return total.hexdigest()


def file_content(file: Path) -> bytes:
    """Return what is in a file.

    Raises:
        ContextError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise ContextError(_unreadable(file, error)) from None


def _walk(
    folder: Path, prefix: str, ignores: _Matcher, without: frozenset[str]
) -> Iterator[tuple[bytes, str, os.stat_result]]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise ContextError(_unreadable(folder, error)) from None
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if name in without:
            continue
        ignored = ignores.matches(name)
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            raise ContextError(_unreadable(Path(entry.path), error)) from None
        if not ignored:
            yield os.fsencode(name), entry.path, status
        if stat.S_ISDIR(status.st_mode) and (not ignored or ignores.may_return_below(name)):
            yield from _walk(Path(entry.path), f"{name}/", ignores, without)


def _read(path: str, take: Callable[[bytes], object]) -> None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (thousands of them)
            while chunk := file.read(_CHUNK):
                take(chunk)
    except OSError as error:
        raise ContextError(_unreadable(Path(path), error)) from None


def _unreadable(path: Path, error: OSError) -> str:
    return (
        f"must be readable, got {error.strerror or error} for {shown(path)}; change its "
        f"permissions, or name it in {IGNORE}"
    )


def _must_be_text(name: bytes, what: str) -> None:
    try:
        name.decode()
    except UnicodeDecodeError:
        raise ContextError(
            f"must have {what} that are UTF-8, since the builder takes no others, got "
            f"{name.decode(errors='backslashreplace')}; rename it, or leave it out by a wildcard "
            f"in {IGNORE}"
        ) from None


class _Matcher:
    """Patterns, as the builder reads them.

    Args:
        patterns: The patterns.

    Source: The rules are Docker's, as its SDK knows them.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns: list[Any] = []
        self._match: Callable[[Any], bool] = lambda _name: False
        if not patterns:
            return
        # Imported here: it is heavy, and few contexts need it.
        from docker.utils.build import PatternMatcher  # noqa: PLC0415

        matcher = PatternMatcher(list(patterns))
        # The SDK lets the file itself through, which is for the old builder.
        matcher.patterns.pop()
        self._patterns = [pattern for pattern in matcher.patterns if pattern.exclusion]
        self._match = matcher.matches

    def matches(self, name: str) -> bool:
        return self._match(name)

    def may_return_below(self, name: str) -> bool:
        """Return whether something in a folder that is left out may be let in again."""
        return any(
            pattern.cleaned_pattern.startswith(f"{name}/") or _is_wild(pattern, name)
            for pattern in self._patterns
        )


def _is_wild(pattern: Any, name: str) -> bool:  # noqa: ANN401  (the SDK has no types)
    """Return whether a pattern with wildcards may match below a folder."""
    first = str(pattern.cleaned_pattern).partition("/")[0]
    return any(mark in first for mark in "*?[") or name.startswith(f"{first}/")
