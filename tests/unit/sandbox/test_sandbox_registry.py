"""The registry: where it listens, and what a refusal says."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from sandbox.errors import SandboxError
from sandbox.machines import registry
from sandbox.machines.registry import Registry
from sandbox.machines.registry_door import SOCKET
from sandbox.parameters import Parameters

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


class Engine:
    """Stands for an engine, for its client, and for a container: notes what it is asked."""

    def __init__(self, refusal: str = "", *, listens: bool = True) -> None:
        self._listens = listens
        self.containers = self.api = self
        self.options: dict[str, Any] = {}
        self.done: list[str] = []
        self._refusal = refusal

    def create(self, image: str, **options: Any) -> Engine:  # noqa: ANN401
        """Note a container."""
        self.done.append(f"create {image}")
        self.options = options
        return self

    def start(self) -> None:
        """Start it, or refuse."""
        if self._refusal:
            raise APIError("refused", explanation=self._refusal)
        self.done.append("start")
        if self._listens:
            (mount,) = self.options["mounts"]
            (Path(mount["Source"]) / SOCKET).touch()

    @staticmethod
    def logs(*, tail: int) -> bytes:
        """Return what it said last."""
        assert tail == 5
        return b"no such folder\n"

    def remove_container(self, name: str, **_: object) -> None:
        """Find nothing to remove."""
        self.done.append(f"remove {name}")
        raise NotFound("none")


def start(engine: Engine, folder: Path) -> None:
    Registry(engine, PARAMETERS, folder / "registry").start("moor-registry:0")  # type: ignore[arg-type]


def test_it_is_in_no_network_and_its_socket_is_ours_alone(tmp_path: Path) -> None:
    engine = Engine()
    start(engine, tmp_path)
    assert engine.done == ["remove moor-trial-registry", "create moor-registry:0", "start"]
    assert engine.options["network_mode"] == "none"
    assert "ports" not in engine.options
    assert engine.options["user"] == f"{os.geteuid()}:{os.getegid()}"
    (mount,) = engine.options["mounts"]
    assert (mount["Source"], mount["Type"]) == (str(tmp_path / "registry"), "bind")
    assert (tmp_path / "registry").stat().st_mode & 0o777 == 0o700
    assert engine.options["cap_drop"] == ["ALL"]
    assert engine.options["labels"]["moor.role"] == "registry"


def test_a_taken_port_is_a_setting_to_change(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.19.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # The machines' network is not there: the gateway is this computer's other address.
        here = replace(PARAMETERS, registry_port=port, subnet=IPv4Network("127.20.0.0/24"))
        with pytest.raises(SandboxError) as caught:
            Registry(Engine(), here, tmp_path).check_port()  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"sandbox.registry_port: must be a free port on 127.20.0.1 and 127.19.0.1, got {port}, on "
        "which another program listens; choose another (Address already in use)"
    )
    Registry(Engine(), here, tmp_path).check_port()  # type: ignore[arg-type]


def test_one_that_does_not_listen_is_removed_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_READY_TIMEOUT", 0.1)
    engine = Engine(listens=False)
    with pytest.raises(SandboxError) as caught:
        start(engine, tmp_path)
    assert str(caught.value) == (
        f"sandbox registry: must listen within 0 s in {tmp_path}/registry, which the engine must "
        "see, got: no such folder"
    )
    assert engine.done[-1] == "remove moor-trial-registry"


def test_a_refusal_is_told_as_it_is(tmp_path: Path) -> None:
    engine = Engine("no space left")
    with pytest.raises(SandboxError, match=r"^sandbox registry: must start, got no space left$"):
        start(engine, tmp_path)
    assert engine.done[-1] == "remove moor-trial-registry"
