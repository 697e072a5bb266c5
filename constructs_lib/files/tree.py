"""A folder of this computer as the machine is to have it: its entries, digests, and an archive.

Contents are read in pieces, and only when they are needed: a folder may hold more than fits into
memory.

Source: POSIX.1-2001, "pax", for the archive.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from constructs_lib.files.path import below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MIB: Final = 1024 * 1024
SIZE_LIMIT: Final = 2048 * _MIB
"""Bytes of a folder that travel to a machine."""
LEFT_OUT: Final = frozenset({".moor", "cdktf.out"})
"""Folders that stay here wherever they are: they hold keys, states and what is made of them."""
_PIECE: Final = _MIB
_BLOCK: Final = 512
_DIGITS: Final = 16

END: Final = bytes(2 * _BLOCK)
"""The end of an archive."""

ITSELF: Final = "."
"""The path of the folder among its own entries."""


class TreeError(ValueError):
    """A folder cannot travel as it is.

    Attributes:
        problems: One line a problem.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is in a folder.

    Attributes:
        path: Its path in the folder; `.` is the folder.
        kind: What it is.
        mode: Its permissions, as a number; those of links mean nothing.
        uid: The number of its owner.
        gid: The number of its group.
        size: Bytes of a file.
        seconds: When a file changed last, in seconds since 1970.
        target: Where a link leads, such that it does the same on the machine.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int = 0
    seconds: int = 0
    target: str = ""

    @property
    def rights(self) -> str:
        """Permissions, owner and group as one text."""
        return f"{self.mode:04o} {self.uid}:{self.gid}"


def scan(folder: Path, *, limit: int = SIZE_LIMIT) -> list[Entry]:
    """List a folder: each folder in front of what is in it, always in the same order.

    Sockets, pipes and devices are left out: they are the work of a program that runs here.

    Args:
        folder: The folder, or a link to it.
        limit: How many bytes its files may have together.

    Raises:
        TreeError: A link leads nowhere, in a circle or out of the folder, a name is not UTF-8,
            something cannot be read, or it is too large; with every problem.
    """
    root = os.path.realpath(folder)
    problems: list[str] = []
    found = [_entry(ITSELF, Path(root).stat())]
    _walk(root, found, problems)
    size = sum(entry.size for entry in found)
    if size > limit:
        problems.append(
            f"must have at most {limit // _MIB} MiB, got {-(-size // _MIB)} MiB in {folder}; put "
            "it onto the machine once, with docker cp into a named volume, or build it into an "
            "image"
        )
    if problems:
        raise TreeError(problems)
    return found


def _walk(root: str, found: list[Entry], problems: list[str]) -> None:
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        folder = f"{root}/{parent}" if parent else root
        try:
            with os.scandir(folder) as listed:
                items = sorted(listed, key=lambda item: os.fsencode(item.name))
        except OSError as error:
            told = f"{error.strerror} for {shown(folder)}"
            problems.append(f"must be readable, got {told}; {_READABLE}")
            continue
        for item in items:
            path = f"{parent}/{item.name}" if parent else item.name
            if not _is_text(item.name):
                told = shown(f"{folder}/{item.name}")
                problems.append(f"must have names in UTF-8, got {told}; rename it")
                continue
            entry = _entry_of(item, root, path, problems)
            if entry is not None:
                found.append(entry)
                if entry.kind == "folder":
                    waiting.append(path)


def _entry_of(item: os.DirEntry[str], root: str, path: str, problems: list[str]) -> Entry | None:
    status = item.stat(follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return _link(root, item.path, path, problems)
    if stat.S_ISDIR(status.st_mode):
        return None if item.name in LEFT_OUT else _entry(path, status)
    if not stat.S_ISREG(status.st_mode):
        return None
    if not os.access(item.path, os.R_OK):
        problems.append(f"must be readable, got no access to {item.path}; {_READABLE}")
        return None
    return _entry(path, status)


_READABLE: Final = "give yourself the right to read it, or move it out of the folder"


def _entry(path: str, status: os.stat_result) -> Entry:
    is_file = stat.S_ISREG(status.st_mode)
    return Entry(
        path=path,
        kind="file" if is_file else "folder",
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if is_file else 0,
        seconds=int(status.st_mtime),
    )


def _link(root: str, link: str, path: str, problems: list[str]) -> Entry | None:
    """Look where a link leads; the walk follows none, so that its own folder is a real one."""
    target = str(Path(link).readlink())
    told = f"{link} -> {shown(target)}"
    if not _is_text(target):
        problems.append(f"must have names in UTF-8, got the link {told}; rename what it leads to")
        return None
    try:
        real = os.path.realpath(link, strict=True)
    except OSError as error:
        what = "in a circle" if error.errno == errno.ELOOP else "nowhere"
        problems.append(f"must have links that lead somewhere, got one {what}: {told}; remove it")
        return None
    if below(real, root) is None:
        problems.append(
            f"must have links that stay inside of it, got {told}; put what it leads to into the "
            "folder, or mount that, too"
        )
        return None
    if target.startswith("/") or _leaves(path.count("/"), target):
        # It leads inside only by the way of this computer's own folders.
        target = os.path.relpath(real, Path(link).parent)
    status = os.lstat(link)
    return Entry(path=path, kind="link", uid=status.st_uid, gid=status.st_gid, target=target)


def _leaves(depth: int, target: str) -> bool:
    """Return whether the words of a link lead out of the folder on their way."""
    for word in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(word, 1)
        if depth < 0:
            return True
    return False


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(path: str | Path) -> str:
    r"""Return a path that can be written, its bytes outside of UTF-8 as `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def content(folder: Path, entry: Entry) -> str:
    """Return what stands for the content of an entry, without its rights.

    Raises:
        OSError: It cannot be read.
    """
    if entry.kind == "link":
        return f"link {entry.target}"
    return f"file {digest_of_file(folder / entry.path)}" if entry.kind == "file" else "folder"


def digest_of_file(file: Path) -> str:
    """Return a file's SHA-256, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digest(*words: str) -> str:
    """Return a short digest of texts."""
    joined = "\0".join(words)
    return hashlib.sha256(joined.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def digests(folder: Path, entries: Iterable[Entry]) -> dict[str, str]:
    """Return a short digest of each entry: its content and its rights.

    Raises:
        OSError: One cannot be read.
    """
    return {entry.path: digest(content(folder, entry), entry.rights) for entry in entries}


def entries_of(source: Path) -> list[Entry]:
    """List a folder of this computer; nothing where there is none.

    Raises:
        TreeError: It cannot travel as it is.
    """
    return scan(source) if source.is_dir() else []


def approval(digests: Mapping[str, str]) -> str:
    """Return the one digest that stands for those of all entries."""
    return digest(*(word for item in sorted(digests.items()) for word in item))


def archive(folder: Path, entries: Iterable[Entry], *, top: str = "") -> Iterator[bytes]:
    """Return a tar archive in pieces.

    Args:
        folder: Where the contents are.
        entries: What goes into it.
        top: The name that the folder has in the archive; without one the entries stand alone. The
            engine heeds the rights of a folder that has a name, and not those of `.`.

    Raises:
        OSError: A file cannot be read, or has shrunk since it was listed.
    """
    for entry in entries:
        name = entry.path if not top else top if entry.path == ITSELF else f"{top}/{entry.path}"
        yield header(entry, name)
        if entry.kind == "file" and entry.size:
            yield from padded(pieces(folder / entry.path, entry.size), entry.size)
    yield END


def header(entry: Entry, name: str) -> bytes:
    """Return what stands in front of an entry's content in an archive."""
    info = tarfile.TarInfo(name)
    info.type = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[
        entry.kind
    ]
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    info.size, info.mtime, info.linkname = entry.size, entry.seconds, entry.target
    return info.tobuf(tarfile.PAX_FORMAT)


def padded(parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Return an entry's content, and what fills its last block."""
    yield from parts
    yield bytes(-size % _BLOCK)


def pieces(file: Path, size: int) -> Iterator[bytes]:
    """Return as much of a file as it had when it was listed.

    Raises:
        OSError: It cannot be read, or is shorter now.
    """
    with file.open("rb") as opened:
        while size:
            piece = opened.read(min(size, _PIECE))
            if not piece:
                msg = f"{file}: must stay as it is while it is copied, got an earlier end"
                raise OSError(msg)
            size -= len(piece)
            yield piece
