"""What containers and machines use: computed from what an engine and a kernel tell.

Source: Docker Engine API 1.40, "Get container stats based on resource usage"; proc(5), and
diskstats of the kernel's documentation, "I/O statistics fields".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTOR: Final = 512
_WHOLE_DISK: Final = re.compile(r"(?:sd[a-z]+|xvd[a-z]+|vd[a-z]+|nvme\d+n\d+)")
_KIB: Final = 1024
_TICKS: Final = 100
"""Ticks a second in what Linux tells programs, whatever it counts by itself (`USER_HZ`)."""

_IDLE: Final = slice(3, 5)
"""The fields of a processor's time in which it did nothing: idle, and waiting for a disk."""

_MEASURED: Final = slice(0, 8)
"""Those that add up to all of the time; the two after them are counted in others already."""

HOST_COMMAND: Final = (
    "while :; do echo @begin; cat /proc/uptime; head -n1 /proc/stat; nproc; "
    "grep -E '^(MemTotal|MemAvailable):' /proc/meminfo; echo @net; cat /proc/net/dev; "
    "echo @disks; cat /proc/diskstats; echo @df; df -Pk / /var/lib/docker 2>/dev/null; "
    "echo @end; sleep 1; done"
)
"""What tells all of it about a machine, again and again, with what every Linux has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was counted up to a moment.

    Attributes:
        seconds: The moment, on a clock of its own.
        busy: Seconds of all processors that were used.
        cpus: How many processors there are.
        memory: Bytes that are used.
        memory_limit: Bytes that could be.
        received: Bytes that came over networks.
        sent: Bytes that went over them.
        read: Bytes that came from disks.
        written: Bytes that went to disks.
        disk_used: Bytes of the fullest file system; 0 where that is not told.
        disk_size: Its size.
    """

    seconds: float
    busy: float
    cpus: int
    memory: int
    memory_limit: int
    received: int
    sent: int
    read: int
    written: int
    disk_used: int = 0
    disk_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is used now.

    Attributes:
        cpu_percent: Of one processor: 200 is two that do nothing else.
        cpus: How many processors there are.
        memory: Bytes.
        memory_limit: Bytes that could be used.
        received: Bytes a second from networks.
        sent: Bytes a second to networks.
        read: Bytes a second from disks.
        written: Bytes a second to disks.
        disk_used: Bytes of the fullest file system; 0 where that is not told.
        disk_size: Its size.
    """

    cpu_percent: float
    cpus: int
    memory: int
    memory_limit: int
    received: float
    sent: float
    read: float
    written: float
    disk_used: int = 0
    disk_size: int = 0


def between(first: Sample, second: Sample) -> Usage | None:
    """Return what was used between two moments; None where no time has passed.

    Args:
        first: The earlier one.
        second: The later one.
    """
    seconds = second.seconds - first.seconds
    if seconds <= 0:
        return None

    def rate(before: int, after: int) -> float:
        # A container that was started anew counts from nothing.
        return max(after - before, 0) / seconds

    return Usage(
        cpu_percent=max(second.busy - first.busy, 0.0) / seconds * 100,
        cpus=second.cpus,
        memory=second.memory,
        memory_limit=second.memory_limit,
        received=rate(first.received, second.received),
        sent=rate(first.sent, second.sent),
        read=rate(first.read, second.read),
        written=rate(first.written, second.written),
        disk_used=second.disk_used,
        disk_size=second.disk_size,
    )


def of_container(stats: Mapping[str, Any], seconds: float) -> Sample | None:
    """Read what an engine tells of a container; None where it does not run.

    Args:
        stats: The engine's answer.
        seconds: When it was read.
    """
    cpu, memory = stats.get("cpu_stats") or {}, stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    # What the kernel keeps of files and may drop is no need of the container's.
    cache = int(details.get("inactive_file", details.get("total_inactive_file", 0)))
    networks = (stats.get("networks") or {}).values()
    disks = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()

    def moved(operation: str) -> int:
        return sum(int(d["value"]) for d in disks if str(d.get("op", "")).lower() == operation)

    return Sample(
        seconds=seconds,
        busy=int((cpu.get("cpu_usage") or {}).get("total_usage", 0)) / 1e9,
        cpus=int(cpu.get("online_cpus") or 1),
        memory=max(int(memory["usage"]) - cache, 0),
        memory_limit=int(memory.get("limit", 0)),
        received=sum(int(n.get("rx_bytes", 0)) for n in networks),
        sent=sum(int(n.get("tx_bytes", 0)) for n in networks),
        read=moved("read"),
        written=moved("write"),
    )


def of_host(text: str) -> Sample:
    """Read what `HOST_COMMAND` prints once, from `@begin` to `@end`.

    Args:
        text: What it printed, without these two lines.

    Raises:
        ValueError: It is something else.
    """
    head, _, rest = text.partition("@net\n")
    net, _, rest = rest.partition("@disks\n")
    disks, _, df = rest.partition("@df\n")
    try:
        uptime, processors, count, *memory = head.strip().splitlines()
        ticks = [int(n) for n in processors.split()[1:]][_MEASURED]
        sizes = {line.split(":")[0]: int(line.split()[1]) * _KIB for line in memory}
        total = sizes["MemTotal"]
        received, sent = _networks(net)
        read, written = _disks(disks)
        used, size = _fullest(df)
        cpus = int(count)
        return Sample(
            seconds=float(uptime.split()[0]),
            busy=(sum(ticks) - sum(ticks[_IDLE])) / _TICKS,
            cpus=cpus,
            memory=total - sizes["MemAvailable"],
            memory_limit=total,
            received=received,
            sent=sent,
            read=read,
            written=written,
            disk_used=used,
            disk_size=size,
        )
    except (ValueError, KeyError, IndexError):
        raise ValueError(f"machine: must tell what it uses, got {text[:200]!r}") from None


def _networks(text: str) -> tuple[int, int]:
    received = sent = 0
    for line in text.splitlines():
        name, colon, numbers = line.partition(":")
        # What goes over bridges goes over the machine's own interfaces, too, or does not leave it.
        if colon and re.match(r"(?:e|wl)", name.strip()):
            fields = numbers.split()
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def _disks(text: str) -> tuple[int, int]:
    read = written = 0
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 9 and _WHOLE_DISK.fullmatch(fields[2]):  # noqa: PLR2004  (up to the tenth)
            read, written = read + int(fields[5]), written + int(fields[9])
    return read * _SECTOR, written * _SECTOR


def _fullest(text: str) -> tuple[int, int]:
    rows = [line.split() for line in text.splitlines()[1:]]
    sizes = [(int(row[2]) * _KIB, int(row[1]) * _KIB) for row in rows if len(row) > 4]  # noqa: PLR2004
    return max(sizes, key=lambda s: s[0] / s[1] if s[1] else 0, default=(0, 0))
