"""What fills a disk of a machine: Docker's things where they are on it, else large folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError
from moor.operation import engines, ssh
from moor.operation.hosts import ALONE
from moor.operation.top import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs_lib.settings.environment import Environment
    from moor.operation.hosts import Host
    from moor.overview.host import Disk

_NAMED: Final = 3
_WORTH_TELLING: Final = 0.01
"""The share of what is taken from which on a part of it is told."""

_FOLDERS: Final = (
    "sudo -n timeout {seconds:.0f} du -xakd2 {path} 2> /dev/null | sort -rn | head -n 64"
)
_KIB: Final = 1024


def ask(environment: Environment, host: Host, disk: Disk, *, seconds: float) -> str:
    """Ask a machine what fills one of its disks.

    Args:
        environment: The environment.
        host: The machine.
        disk: The disk.
        seconds: How long an answer may take.

    Raises:
        CommandError: It does not tell.
    """
    if disk.holds_docker:
        with engines.engine(environment, host, seconds=seconds) as client:
            api: Any = client.api
            return of_docker(api.df(), disk.used)
    command = _FOLDERS.format(seconds=seconds, path=disk.path)
    return of_folders(ssh.output(environment, host, command, seconds=seconds + 2))


def larger(host: Host, disk: Disk) -> str:
    """Return the key of the settings that makes a disk larger.

    Args:
        host: The machine.
        disk: One of its disks.
    """
    if disk.path == "/":
        return "aws.root_volume.size_gib"
    if host.name == ALONE or host.name.startswith("manager-"):
        return "aws.data_volume.size_gib"
    pool = host.name.rpartition("-")[0]
    return f"aws.machines.workers.{pool}.data_volume.size_gib"


def of_docker(df: Mapping[str, Any], used: int) -> str:
    """Say what of an engine's things fills a disk, the largest kind first, and what of others.

    Args:
        df: What the engine tells of them, as `GET /system/df` does.
        used: How many bytes of the disk are taken.
    """
    volumes = [
        (
            # What the engine has not counted is -1.
            max(int((volume.get("UsageData") or {}).get("Size", 0)), 0),
            str(volume.get("Name", "")),
        )
        for volume in df.get("Volumes") or ()
    ]
    parts = {
        "images": int(df.get("LayersSize") or 0),
        "containers": sum(int(c.get("SizeRw") or 0) for c in df.get("Containers") or ()),
        "the cache of builds": sum(
            int(c.get("Size") or 0) for c in df.get("BuildCache") or () if not c.get("Shared")
        ),
        "volumes": sum(number for number, _ in volumes),
    }
    parts["other files"] = used - sum(parts.values())
    large: Sequence[tuple[int, str]] = sorted(volumes, reverse=True)[:_NAMED]
    named = ", ".join(f"{name} {size(number)}" for number, name in large if number > 0)
    told = [
        f"{what} {size(number)}" + (f" ({named})" if what == "volumes" and named else "")
        for what, number in sorted(parts.items(), key=lambda item: -item[1])
        if number > max(0, used * _WORTH_TELLING)
    ]
    return ", ".join(told) or "many small things"


def of_folders(text: str) -> str:
    """Say which files and folders are the largest.

    Args:
        text: What `du -akd2` printed.

    Raises:
        CommandError: It printed nothing.
    """
    found: dict[str, int] = {}
    for line in text.splitlines():
        number, _, path = line.partition("\t")
        if number.isdigit() and path.startswith("/"):
            found[path] = int(number) * _KIB
    if not found:
        raise CommandError("du: must tell what is on the disk, got nothing")
    # A folder is told by what is in it.
    parents = {path.rpartition("/")[0] or "/" for path in found}
    leaves = [(number, path) for path, number in found.items() if path not in parents]
    large = sorted(leaves, reverse=True)[:_NAMED]
    return ", ".join(f"{path} {size(number)}" for number, path in large)
