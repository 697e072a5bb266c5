"""What the colours of a drawing mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from settings_files import document

from constructs_lib.compose.model import ComposeProject, Service
from constructs_lib.settings.settings import Settings
from moor.graph.legend import legend
from moor.graph.reading import read
from moor.graph.theme import LIGHT
from moor.graph.values import Host

PROJECT = ComposeProject(
    name="moor",
    file="compose.yaml",
    services={"web": Service(name="web")},
    networks={},
    volumes={},
)
DRAWING = read("trial", Settings.model_validate(document()), PROJECT)


def host(*, keeps_data: bool) -> Host:
    return Host(key="x", name="x", lines=(), disks=("disk",), keeps_data=keeps_data)


@pytest.mark.parametrize(
    ("keeping", "told"),
    [
        ((False,), "outlives containers, and is lost with the machine&#x27;s disk"),
        ((True,), "outlives containers and the machine"),
        ((True, False), "outlives containers, and the machine where that has a data volume"),
    ],
)
def test_what_becomes_of_data_is_as_the_machines_have_it(
    keeping: tuple[bool, ...], told: str
) -> None:
    hosts = tuple(host(keeps_data=one) for one in keeping)
    assert f">{told}<" in legend(replace(DRAWING, hosts=hosts), LIGHT)


def test_what_a_drawing_lacks_is_in_no_legend() -> None:
    told = legend(DRAWING, LIGHT)
    assert "is not made here" not in told
    assert "after that one" not in told
