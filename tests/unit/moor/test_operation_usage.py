"""What is used, computed from what an engine and a kernel tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moor.operation.top import size
from moor.operation.usage import Sample, Usage, between, of_container, of_host

FIRST = Sample(
    seconds=10.0,
    busy=1.0,
    cpus=2,
    memory=100,
    memory_limit=1000,
    received=1000,
    sent=0,
    read=0,
    written=500,
)
STATS: dict[str, Any] = {
    "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}, "online_cpus": 4},
    "memory_stats": {"usage": 5000, "limit": 9000, "stats": {"inactive_file": 1000}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"op": "read", "value": 7},
            {"op": "Write", "value": 8},
            {"op": "write", "value": 1},
        ]
    },
}
HOST = """\
100.50 10.0
cpu  100 0 50 800 50 0 0 0 10 0
2
MemTotal:        1000 kB
MemAvailable:     250 kB
@net
Inter-|   Receive
 face |bytes    packets
    lo: 999 0 0 0 0 0 0 0 999 0
  eth0: 100 1 0 0 0 0 0 0 200 0
  docker0: 5 1 0 0 0 0 0 0 5 0
@disks
 259 0 nvme0n1 1 0 10 0 1 0 20 0 0 0 0
 259 1 nvme0n1p1 1 0 10 0 1 0 20 0 0 0 0
@df
Filesystem 1024-blocks Used Available Capacity Mounted on
/dev/root 1000 100 900 10% /
/dev/nvme1n1 2000 1800 200 90% /var/lib/docker
"""


def test_between_two_moments() -> None:
    second = replace(FIRST, seconds=12.0, busy=4.0, received=3000, written=0, memory=300)
    assert between(FIRST, second) == Usage(
        cpu_percent=150.0,
        cpus=2,
        memory=300,
        memory_limit=1000,
        received=1000.0,
        sent=0.0,
        read=0.0,
        # It was started anew, and counts from nothing.
        written=0.0,
    )
    assert between(FIRST, FIRST) is None


def test_a_container() -> None:
    assert of_container(STATS, 5.0) == Sample(
        seconds=5.0,
        busy=1.5,
        cpus=4,
        memory=4000,
        memory_limit=9000,
        received=11,
        sent=22,
        read=7,
        written=9,
    )
    assert of_container({"memory_stats": {}}, 5.0) is None


def test_a_machine() -> None:
    assert of_host(HOST) == Sample(
        seconds=100.5,
        busy=1.5,
        cpus=2,
        memory=750 * 1024,
        memory_limit=1000 * 1024,
        received=100,
        sent=200,
        read=10 * 512,
        written=20 * 512,
        disk_used=1800 * 1024,
        disk_size=2000 * 1024,
    )
    with pytest.raises(ValueError, match="machine: must tell what it uses, got 'nonsense'"):
        of_host("nonsense")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 * 1024**2, "200 MiB")],
)
def test_sizes(number: float, expected: str) -> None:
    assert size(number) == expected
