"""The metadata service's container: made with the first machine, and given each machine's file."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from docker.errors import DockerException, NotFound

from sandbox.addresses import AddressBook, AddressPool
from sandbox.errors import SandboxError
from sandbox.machines import metadata as subject
from sandbox.machines.metadata import InstanceMetadata, MetadataService
from sandbox.names import Owner

ONE = InstanceMetadata(
    instance="i-1",
    address=IPv4Address("172.30.19.5"),
    image="ami-1",
    instance_type="t3.small",
    zone="eu-central-1a",
    keys=(),
    user_data=b"",
)
NAME = "moor-trial-metadata"


class Engine:
    """Stands for an engine, for its client, and for the container.

    Args:
        says: What the container prints.
        refusal: Why files are not taken.
    """

    def __init__(self, says: bytes = b"ready\n", refusal: str = "") -> None:
        self.containers = self.api = self
        self.status = "none"
        self.options: dict[str, Any] = {}
        self.files: dict[str, tuple[int, dict[str, Any]]] = {}
        self.ran: list[list[str]] = []
        self._says = says
        self._refusal = refusal

    def get(self, name: str) -> Engine:
        """Return the container, where there is one."""
        assert name == NAME
        if self.status == "none":
            raise NotFound(name)
        return self

    def create_endpoint_config(self, *, ipv4_address: str) -> str:
        """Return the address, where the SDK makes a structure."""
        return ipv4_address

    def create(self, image: str, command: list[str], **options: Any) -> Engine:  # noqa: ANN401
        """Note how the container is made."""
        self.options = {"image": image, "command": command} | options
        self.status = "created"
        return self

    def start(self) -> None:
        """Start it."""
        self.status = "running"

    def logs(self, **_: object) -> bytes:
        """Return what it printed."""
        return self._says

    def put_archive(self, path: str, data: bytes) -> None:
        """Take files, or refuse."""
        assert path == "/"
        if self._refusal:
            raise DockerException(self._refusal)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                assert file is not None
                self.files[member.name] = (member.mode, json.loads(file.read()))

    def exec_run(self, command: list[str]) -> None:
        """Note a command."""
        self.ran.append(command)


def service(engine: Engine) -> MetadataService:
    pool = AddressPool(IPv4Network("172.30.19.0/24"), setting="sandbox.subnet", kept=2)
    return MetadataService(
        engine,  # type: ignore[arg-type]
        owner=Owner(environment="trial", project="p"),
        image="moor-machine:0",
        network="moor-trial",
        book=AddressBook(pool),
    )


def test_the_first_machine_makes_the_container() -> None:
    engine = Engine()
    made = service(engine)
    made.publish(ONE)
    assert engine.status == "running"
    assert engine.options["name"] == NAME
    # No more than a plain user of Docker may hand out, and no more than it needs.
    assert engine.options["cap_drop"] == ["ALL"]
    assert engine.options["cap_add"] == ["NET_ADMIN", "NET_BIND_SERVICE"]
    assert "privileged" not in engine.options
    options = engine.options
    made.publish(replace(ONE, instance="i-2", address=IPv4Address("172.30.19.6")))
    assert engine.options is options
    files = {name: mode for name, (mode, _) in engine.files.items()}
    assert files == {
        "var/lib/moor/metadata/172.30.19.5.json": 0o600,
        "var/lib/moor/metadata/172.30.19.6.json": 0o600,
    }


def public_of(engine: Engine) -> str | None:
    _, document = engine.files["var/lib/moor/metadata/172.30.19.5.json"]
    address: str | None = document["meta_data"].get("public-ipv4")
    return address


def test_a_moved_elastic_ip_is_told() -> None:
    engine = Engine()
    made = service(engine)
    made.publish(ONE)
    made.set_public({"i-1": IPv4Address("127.18.0.3"), "i-9": IPv4Address("127.18.0.4")})
    assert public_of(engine) == "127.18.0.3"
    engine.files.clear()
    made.set_public({"i-1": IPv4Address("127.18.0.3")})
    assert engine.files == {}
    made.set_public({})
    assert public_of(engine) is None


def test_changed_options_are_told() -> None:
    engine = Engine()
    made = service(engine)
    made.publish(ONE)
    made.set_options("i-1", tokens_required=True, hop_limit=3)
    made.set_options("i-9", tokens_required=True, hop_limit=3)
    ((_, document),) = engine.files.values()
    assert (document["tokens"], document["hop_limit"]) == ("required", 3)


def test_a_machine_that_is_gone_is_forgotten() -> None:
    engine = Engine()
    made = service(engine)
    made.publish(ONE)
    made.withdraw("i-1")
    made.withdraw("i-1")
    assert engine.ran == [["rm", "-f", "/var/lib/moor/metadata/172.30.19.5.json"]]
    assert not made.restore(frozenset())


def test_it_comes_back_with_all_that_it_knew() -> None:
    engine = Engine()
    made = service(engine)
    made.publish(ONE)
    assert not made.restore(frozenset({NAME}))
    own = engine.options["networking_config"]
    engine.status = "none"
    engine.files.clear()
    assert made.restore(frozenset())
    assert list(engine.files) == ["var/lib/moor/metadata/172.30.19.5.json"]
    assert engine.options["networking_config"] == own


def test_publishing_fails_when_the_engine_refuses() -> None:
    with pytest.raises(SandboxError) as caught:
        service(Engine(refusal="no space left")).publish(ONE)
    assert str(caught.value) == (
        f"sandbox metadata service {NAME}: must take a machine's data, got no space left"
    )


def test_publishing_fails_when_it_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_READY_TIMEOUT", 0.05)
    with pytest.raises(SandboxError) as caught:
        service(Engine(says=b"ip: permission denied\n")).publish(ONE)
    assert str(caught.value) == (
        f"sandbox metadata service {NAME}: must listen, got: ip: permission denied"
    )
