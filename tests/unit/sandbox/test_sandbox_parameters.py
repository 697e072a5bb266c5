"""What the emulator's process is told, as a file."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from sandbox.parameters import Parameters

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = Parameters(
    environment="trial",
    project="0123456789ab",
    engine="unix:///run/docker.sock",
    api_port=4699,
    addresses=IPv4Network("127.19.0.0/24"),
    subnet=IPv4Network("172.30.19.0/24"),
    registry_port=5019,
    machine_image="moor-machine:0",
)


def test_parameters_survive_a_file(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    PARAMETERS.write(file)
    assert Parameters.read(file) == PARAMETERS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"subnet": "x"}'])
def test_unusable_parameters_count_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(text)
    assert Parameters.read(file) is None
