"""Folders of this computer that services mount: where they are on the machine, and what they are.

A folder that some service may write to is a folder of the machine, which outlives every container.
One that is only read is an exact copy, a new one for each content.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from constructs_lib.files.path import below
from constructs_lib.files.tree import TreeError, entries_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from constructs_lib.compose.model import ComposeProject, FolderMount
    from constructs_lib.files.tree import Entry

MACHINE_ROOT: Final = "/var/lib/moor"
"""The machine's folder under which each project has one."""

COPY_LABEL: Final = "moor.copy-of"
"""The label of a volume that only has what is here: nothing is lost with it."""

_INSIDE: Final = "folders"
_OUTSIDE: Final = "outside"

_FILES: Final = frozenset(
    {
        ".cfg",
        ".cnf",
        ".conf",
        ".crt",
        ".env",
        ".html",
        ".ini",
        ".js",
        ".json",
        ".key",
        ".pem",
        ".php",
        ".properties",
        ".py",
        ".rb",
        ".sh",
        ".sql",
        ".toml",
        ".txt",
        ".xml",
        ".yaml",
        ".yml",
    }
)
"""Endings of names that no folder has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedFile:
    """A file of this computer that is mounted by itself.

    Attributes:
        source: The file.
        mode: Its permissions there, in octal digits.
        uid: The number of its owner there.
        gid: The number of its group there.
        digest: Its SHA-256 when the plan was made; empty for secrets.
    """

    source: str
    mode: str = "0444"
    uid: int = 0
    gid: int = 0
    digest: str = ""


def place_of(source: Path, folder: Path) -> str:
    """Return where a folder of this computer is on the machine, below the project's own folder.

    It follows the path relative to the project's folder, so that what lies in another folder here
    does so there, and that it does not matter where the project lies.

    Args:
        source: The folder of this computer.
        folder: The project's folder.
    """
    parts = PurePosixPath(os.path.relpath(source, folder)).parts
    ups = parts.count("..")
    if not ups:
        return "/".join((_INSIDE, *parts))
    return "/".join((_OUTSIDE, str(ups), *parts[ups:]))


def machine_path(project: str, place: str) -> str:
    """Return the absolute path of a place on the machine."""
    return f"{MACHINE_ROOT}/{project}/{place}"


def told(place: str) -> str:
    """Return a place as one would write it in the Compose file."""
    first, *rest = place.split("/")
    if first == _OUTSIDE and rest and rest[0].isdecimal():
        return "/".join([*[".."] * int(rest[0]), *rest[1:]])
    return "/".join([".", *rest]) if first == _INSIDE else place


def overlap(one: str, other: str) -> bool:
    """Return whether two places are the same, or one is below the other."""
    return below(one, other) is not None or below(other, one) is not None


def is_empty(source: Path) -> bool:
    """Return whether there is nothing here that could be copied.

    Raises:
        OSError: The folder cannot be read.
    """
    if not source.is_dir():
        return True
    with os.scandir(source) as listed:
        return next(listed, None) is None


def looks_like_a_file(source: str, target: str) -> bool:
    """Return whether what is missing here was meant to be a file: a folder would not do."""
    ending = PurePosixPath(source).suffix
    return ending in _FILES and ending == PurePosixPath(target).suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFolders:
    """Which folders of a project are folders of the machine.

    Attributes:
        filled: Those that are filled from here, the outermost ones, by their places.
        writable: Places that some service may write to.
        entries: What is in each folder of this computer that travels, once it has been listed.
    """

    filled: Mapping[str, Path] = field(default_factory=dict)
    writable: frozenset[str] = frozenset()
    entries: Mapping[Path, Sequence[Entry]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, project: ComposeProject) -> MachineFolders:
        """Look at all mounts of a project together; nothing is listed yet.

        Raises:
            OSError: A folder cannot be read.
        """
        bound = [v for v in project.volumes.values() if v.folder is not None]
        mounts = [mount for service in project.services.values() for mount in service.folders]
        writable = frozenset(
            [*(m.place for m in mounts if not m.read_only), *(v.place for v in bound)]
        )
        these = cls(writable=writable)
        wanted = {v.place: v.folder for v in bound if v.folder is not None} | {
            m.place: m.source
            for m in mounts
            # What is nowhere the engine makes by itself, unless the mount has options.
            if these.has(m) and (m.source.is_dir() or m.propagation is not None)
        }
        return cls(
            filled={p: s for p, s in sorted(wanted.items()) if p in _outermost(wanted)},
            writable=writable,
        )

    def has(self, mount: FolderMount) -> bool:
        """Return whether a mount shows a folder of the machine, and not a copy.

        What one service writes and another one only reads is one folder; and of what is not here
        there is nothing to copy.
        """
        return (
            not mount.read_only
            or is_empty(mount.source)
            or any(overlap(mount.place, place) for place in self.writable)
        )

    def filled_for(self, place: str) -> str | None:
        """Return the filled folder that a place is in, or that is in it."""
        return next((filled for filled in self.filled if overlap(place, filled)), None)


def _outermost(places: Iterable[str]) -> frozenset[str]:
    """Return those that are in no other one."""
    every = list(places)
    return frozenset(p for p in every if not any(p != o and below(p, o) for o in every))


def list_folders(project: ComposeProject) -> tuple[MachineFolders, list[tuple[str, str]]]:
    """List all folders that travel, once for everybody who asks what is in them.

    Returns:
        The folders; and of each that cannot travel the key in the file, and what is wrong.
    """
    origins = {
        v.folder: f"volumes.{v.key}.driver_opts.device"
        for v in project.volumes.values()
        if v.folder
    }
    mounts = [mount for service in project.services.values() for mount in service.folders]
    for mount in mounts:
        origins.setdefault(mount.source, f"{mount.origin}.source")
    try:
        machine = MachineFolders.of(project)
        copies = {mount.source for mount in mounts if not machine.has(mount)}
    except OSError as error:
        wrong = f"must be readable, got {error.strerror} for {error.filename}"
        return MachineFolders(), [("volumes", wrong)]
    entries: dict[Path, Sequence[Entry]] = {}
    problems: list[tuple[str, str]] = []
    for source in sorted({*machine.filled.values(), *copies}):
        try:
            entries[source] = entries_of(source)
        except TreeError as error:
            problems += [(origins[source], problem) for problem in error.problems]
        except OSError as error:
            wrong = f"must be readable, got {error.strerror} for {source}"
            problems.append((origins[source], wrong))
    return replace(machine, entries=entries), problems
