"""What a machine itself knows, asked over SSH: how full its disks are, and whether it must reboot.

The Docker API tells neither.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from constructs_lib.host import remote_command
from constructs_lib.host.remote_command import RemoteCommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 2

SCRIPT: Final = (
    "root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null); "
    'df -P -B1 / "${root:-/var/lib/docker}" 2>/dev/null | tail -n +2; echo --; '
    "update_engine_client -status 2>/dev/null | grep -E '^(CURRENT_OP|NEW_VERSION)='; "
    "test -e /run/reboot-required && echo REBOOT; true"
)
"""POSIX's `df -P`; Flatcar's `update_engine_client`; Debian's mark for a reboot."""

_NEEDS_REBOOT: Final = "UPDATE_STATUS_UPDATED_NEED_REBOOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system of a machine.

    Attributes:
        path: Where it is mounted.
        used: Bytes that are taken.
        size: Bytes that there are for users.
        holds_docker: Whether Docker's data root is on it.
    """

    path: str
    used: int
    size: int
    holds_docker: bool = False

    @property
    def percent(self) -> int:
        """How much of it is taken."""
        return round(100 * self.used / self.size) if self.size else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a machine tells over SSH.

    Attributes:
        problem: Why it tells nothing, in words; empty where it does.
        disks: The file systems of `/` and of Docker's data root: one where both are the same.
        reboot: What a reboot is due for; empty where none is.
    """

    problem: str = ""
    disks: tuple[Disk, ...] = ()
    reboot: str = ""


def ask(command: str) -> Host:
    """Ask a machine over SSH.

    Args:
        command: The command that opens a shell on it.

    Returns:
        What it says; it raises nothing.
    """
    try:
        told = remote_command.run(
            shlex.split(command), SCRIPT, seconds=2 * _SECONDS, connect_seconds=_SECONDS
        )
    except RemoteCommandError as error:
        return Host(problem=str(error))
    return read(told.decode(errors="replace"))


def read(text: str) -> Host:
    """Read what the machine printed.

    Args:
        text: The output of the script.
    """
    disks, _, rest = text.partition("--\n")
    reboot = ""
    version = ""
    for line in rest.splitlines():
        key, _, value = line.partition("=")
        if key == "NEW_VERSION":
            version = value.strip()
        elif line.strip() == "REBOOT" or (key == "CURRENT_OP" and value.strip() == _NEEDS_REBOOT):
            reboot = "an update"
    if reboot and version and version != "0.0.0":
        reboot = f"an update to {version}"
    # The same numbers are the same disk, under whatever names; Docker's comes last.
    listed = list(_disks(disks))
    found = {(disk.used, disk.size): disk for disk in reversed(listed)}
    numbers = (listed[-1].used, listed[-1].size) if listed else ()
    return Host(
        disks=tuple(
            replace(disk, holds_docker=key == numbers) for key, disk in reversed(found.items())
        ),
        reboot=reboot,
    )


def _disks(text: str) -> Iterator[Disk]:
    for line in text.splitlines():
        words = line.split(None, 5)
        # Whose last word may have blanks in it.
        if len(words) == 6 and all(w.isdigit() for w in words[1:4]):  # noqa: PLR2004
            used, free = int(words[2]), int(words[3])
            # What only root may use counts as neither: so does df in its own percentage.
            yield Disk(path=words[5], used=used, size=used + free)
