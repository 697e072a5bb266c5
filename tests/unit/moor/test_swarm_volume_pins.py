"""Volumes of a swarm that have no node any more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fake_cluster import manager, worker

from moor.swarm.volume_pins import without_node
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from moor.swarm.cluster import Member

HAS = {"moor.volume.shop.data": "yes"}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    def pin(volumes: str) -> dict[str, Any]:
        path = f"docker/Compose/Pins/{volumes.partition(',')[0]}/Resource"
        return {
            "triggers_replace": {"volumes": volumes},
            "//": {"metadata": {"path": path}},
        }

    steps = {
        "Data": pin("data,logs"),
        "Cache": pin("cache"),
        "Mode": {"//": {"metadata": {"path": "docker/Compose/Services/web/Mode"}}},
    }
    document = {"resource": {"terraform_data": steps}}
    (tmp_path / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")
    return Stack(name="docker", folder=tmp_path)


@pytest.mark.parametrize(
    ("members", "homeless"),
    [
        ([manager("manager-1", labels=HAS)], ["Cache"]),
        ([worker("web-1", labels={"moor.volume.shop.logs": "yes"})], ["Cache"]),
        # It may come back, with what is on it.
        ([worker("web-1", labels=HAS, state="down")], ["Cache"]),
        ([worker("web-1", labels={"moor.volume.shop.data": "no"})], ["Data", "Cache"]),
        ([worker("web-1", labels={"moor.volume.other.data": "yes"})], ["Data", "Cache"]),
        ([worker("web-1", labels={**HAS, "moor.volume.shop.cache": "yes"})], []),
        ([], ["Data", "Cache"]),
    ],
)
def test_which_volumes_have_no_node(
    stack: Stack, members: list[Member], homeless: list[str]
) -> None:
    found = without_node(stack, "shop", members)
    assert list(found) == [f"terraform_data.{name}" for name in homeless]
    assert all(found[key] == ["data", "logs"] for key in found if key.endswith("Data"))
