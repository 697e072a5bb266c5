"""What fills a disk is told, the largest first, with the key that makes it larger."""

from __future__ import annotations

import pytest

from moor.failure import CommandError
from moor.operation import disk_use
from moor.operation.hosts import Host
from moor.overview.host import Disk

MIB = 2**20
HOST = Host(
    name="machine",
    address="192.0.2.7",
    private_address="",
    port=2376,
    instance_id="i-1",
    ssh=(),
    certificates=(),
)


def test_what_docker_has_on_a_disk_is_told_the_largest_first() -> None:
    df = {
        "LayersSize": 300 * MIB,
        "Containers": [{"SizeRw": 2**10}, {}],
        "BuildCache": [{"Size": 200 * MIB}, {"Size": 2**32, "Shared": True}],
        "Volumes": [
            {"Name": "data", "UsageData": {"Size": 2**30}},
            {"Name": "other", "UsageData": {"Size": -1}},
        ],
    }
    assert disk_use.of_docker(df, 1600 * MIB) == (
        "volumes 1.0 GiB (data 1.0 GiB), images 300 MiB, the cache of builds 200 MiB, "
        "other files 76.0 MiB"
    )
    assert disk_use.of_docker({}, 0) == "many small things"


def test_folders_are_told_by_what_is_in_them() -> None:
    text = "900\t/\n600\t/var\n500\t/var/log\n290\t/home\n280\t/home/core\n9\t/swap file\n"
    assert disk_use.of_folders(text) == ("/var/log 500 KiB, /home/core 280 KiB, /swap file 9.0 KiB")
    with pytest.raises(CommandError, match="du: must tell what is on the disk, got nothing"):
        disk_use.of_folders("")


@pytest.mark.parametrize(
    ("name", "path", "key"),
    [
        ("machine", "/", "aws.root_volume.size_gib"),
        ("machine", "/var/lib/docker", "aws.data_volume.size_gib"),
        ("manager-1", "/var/lib/docker", "aws.data_volume.size_gib"),
        ("web-2", "/var/lib/docker", "aws.machines.workers.web.data_volume.size_gib"),
        ("web-2", "/", "aws.root_volume.size_gib"),
    ],
)
def test_the_key_that_makes_a_disk_larger(name: str, path: str, key: str) -> None:
    host = Host(**{**{f: getattr(HOST, f) for f in Host.__slots__}, "name": name})
    assert disk_use.larger(host, Disk(path=path, used=1, size=1)) == key
