"""The registry: where it listens, and what a refusal says."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from sandbox.errors import SandboxError
from sandbox.machines.registry import Registry
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

    def __init__(self, refusal: str = "") -> None:
        self.containers = self.api = self
        self.options: dict[str, Any] = {}
        self.done: list[str] = []
        self._refusal = refusal

    def create_endpoint_config(self, *, ipv4_address: str) -> str:
        """Return the address, where the SDK makes a structure."""
        return ipv4_address

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

    def remove_container(self, name: str, **_: object) -> None:
        """Find nothing to remove."""
        self.done.append(f"remove {name}")
        raise NotFound("none")


def start(engine: Engine) -> None:
    Registry(engine, PARAMETERS).start("moor-registry:0")  # type: ignore[arg-type]


def test_it_listens_for_machines_and_for_the_engine_and_nowhere_else() -> None:
    engine = Engine()
    start(engine)
    assert engine.done == ["remove moor-trial-registry", "create moor-registry:0", "start"]
    assert engine.options["ports"] == {
        "5000/tcp": [("172.30.19.1", 5019), ("127.19.0.1", 5019)],
    }
    assert engine.options["cap_drop"] == ["ALL"]
    assert engine.options["labels"]["moor.role"] == "registry"


def test_a_taken_port_is_a_setting_to_change() -> None:
    engine = Engine("listen tcp4 127.19.0.1:5019: bind: address already in use")
    with pytest.raises(SandboxError) as caught:
        start(engine)
    assert str(caught.value) == (
        "sandbox.registry_port: must be a free port on 172.30.19.1 and 127.19.0.1, got 5019, on "
        "which another program listens; choose another"
    )
    assert engine.done[-1] == "remove moor-trial-registry"


def test_any_other_refusal_is_told_as_it_is() -> None:
    with pytest.raises(SandboxError, match=r"^sandbox registry: must start, got no space left$"):
        start(Engine("no space left"))
