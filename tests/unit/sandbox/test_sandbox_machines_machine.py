"""Machines: what can be said without booting one."""

from __future__ import annotations

import io
import tarfile
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import DockerException, NotFound

from sandbox.errors import SandboxError
from sandbox.machines.block_device import BlockDevice
from sandbox.machines.machine import BootError, Machines, MachineSpec, name_servers, plain
from sandbox.names import Owner

if TYPE_CHECKING:
    from pathlib import Path

SPEC = MachineSpec(
    instance="i-1",
    address=IPv4Address("172.30.19.5"),
    packet_filter="*mangle\nCOMMIT\n",
)


class Engine:
    """Stands for an engine, for its client, and for a container: notes what it is asked.

    Args:
        status: What the script returns that waits for the boot.
        said: What that script prints.
        refusal: Why nothing starts.
    """

    name = "moor-trial-i-1"

    def __init__(self, status: int = 0, said: bytes = b"", refusal: str = "") -> None:
        self.containers = self.volumes = self.api = self
        self.options: dict[str, Any] = {}
        self.files: dict[str, tuple[int, bytes]] = {}
        self.removed: list[str] = []
        self.run: list[str] = []
        self.status = "running"
        self._status = status
        self._said = said
        self._refusal = refusal

    def create_endpoint_config(self, *, ipv4_address: str) -> str:
        """Return the address, where the SDK makes a structure."""
        return ipv4_address

    def create(self, first: str, **options: Any) -> Engine:  # noqa: ANN401
        """Note a volume or a container; the container comes last."""
        self.options = {"first": first} | options
        return self

    def put_archive(self, path: str, data: bytes) -> None:
        """Note the files that a container is given."""
        assert path == "/"
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                assert file is not None
                self.files[member.name] = (member.mode, file.read())

    def start(self) -> None:
        """Start it, or refuse."""
        if self._refusal:
            raise DockerException(self._refusal)

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        """Answer for the script that waits for the boot, and for the one that sets the filter."""
        assert command in (
            ["/usr/lib/moor/wait-until-ready", "60"],
            ["/usr/lib/moor/filter"],
            ["/usr/lib/moor/devices"],
        )
        self.run.append(command[0])
        return self._status, self._said

    def get(self, name: str) -> Engine:
        """Return the container."""
        assert name == self.name
        return self

    def logs(self, *, tail: int) -> bytes:
        """Return the console's output."""
        assert tail == 40
        return b"[\x1b[0;31mFAILED\x1b[0m] Apply the user data\r\n"

    def remove_container(self, name: str, **_: object) -> None:
        """Note it."""
        self.removed.append(name)

    def remove_volume(self, name: str, **_: object) -> None:
        """Find nothing to remove."""
        self.removed.append(name)
        raise NotFound("none")


def machines(engine: Engine) -> Machines:
    return Machines(
        engine,  # type: ignore[arg-type]
        owner=Owner(environment="trial", project="p"),
        image="moor-machine:0",
        network="moor-trial",
        subnet=IPv4Network("172.30.19.0/24"),
        registry_port=5019,
    )


def boot(engine: Engine) -> None:
    machines(engine).boot(SPEC)


def test_it_is_given_what_it_reads_at_boot_and_only_root_may_read_it() -> None:
    engine = Engine()
    boot(engine)
    assert {mode for mode, _ in engine.files.values()} == {0o600}
    files = {name: content for name, (_, content) in engine.files.items()}
    assert files.pop("var/lib/moor-sandbox/docker.env").startswith(
        b"MOOR_SANDBOX_OPTS=--insecure-registry=172.30.19.1/32 "
        b"--insecure-registry=http://172.30.19.1:5019"
    )
    # User data and keys are for the metadata service to tell.
    assert files == {"var/lib/moor-sandbox/filter": b"*mangle\nCOMMIT\n"}
    assert engine.options["hostname"] == "ip-172-30-19-5"
    assert "privileged" not in engine.options
    # Of all block devices one, which no other machine may have.
    assert engine.options["device_cgroup_rules"] == [BlockDevice.of(SPEC.address).rule]
    assert engine.removed == []


def test_one_that_does_not_boot_is_removed_and_says_why() -> None:
    engine = Engine(1, b"the user data could not be applied\nuser data: must be YAML\n")
    with pytest.raises(BootError) as caught:
        boot(engine)
    assert str(caught.value).splitlines() == [
        "machine moor-trial-i-1: must boot, got: the user data could not be applied",
        "  user data: must be YAML",
        "the end of its console:",
        "  [FAILED] Apply the user data",
    ]
    assert engine.removed == [
        "moor-trial-i-1",
        "moor-trial-i-1-docker",
        "moor-trial-i-1-containerd",
    ]


def test_one_that_the_engine_refuses_is_removed_too() -> None:
    engine = Engine(refusal="no space left")
    with pytest.raises(SandboxError, match=r"moor-trial-i-1: must start, got no space left$"):
        boot(engine)
    assert engine.removed[0] == "moor-trial-i-1"


@pytest.mark.parametrize(("state", "run"), [("running", ["/usr/lib/moor/filter"]), ("exited", [])])
def test_what_it_lets_in_is_changed_at_once_and_kept_for_its_next_start(
    state: str, run: list[str]
) -> None:
    engine = Engine()
    engine.status = state
    machines(engine).let_in("i-1", "new\n")
    assert engine.files == {"var/lib/moor-sandbox/filter": (0o600, b"new\n")}
    assert engine.run == run


@pytest.mark.parametrize(("state", "run"), [("running", ["/usr/lib/moor/devices"]), ("exited", [])])
def test_a_volume_is_seen_at_once_and_at_the_next_start(state: str, run: list[str]) -> None:
    engine = Engine()
    engine.status = state
    machines(engine).give_device("i-1", "vol-0abc", BlockDevice(2000, 2000))
    assert engine.files == {"var/lib/moor-sandbox/devices": (0o600, b"vol0abc 2000 2000\n")}
    assert engine.run == run
    machines(engine).take_device("i-1")
    assert engine.files == {"var/lib/moor-sandbox/devices": (0o600, b"")}


def test_it_fails_when_the_machine_does_not_take_its_device() -> None:
    with pytest.raises(SandboxError) as caught:
        machines(Engine(1, b"mknod: refused\n")).take_device("i-1")
    assert str(caught.value) == (
        "machine moor-trial-i-1: its block device must be made, got: mknod: refused"
    )


def test_it_fails_when_the_machine_does_not_take_its_rules() -> None:
    with pytest.raises(SandboxError) as caught:
        machines(Engine(1, b"no such table\n")).let_in("i-1", "new\n")
    assert str(caught.value) == (
        "machine moor-trial-i-1: its groups' rules must be set, got: no such table"
    )


def test_console_text_loses_its_colours() -> None:
    assert plain("[\x1b[0;32m  OK  \x1b[0m] Reached\r\n") == "[  OK  ] Reached\n"


def test_name_servers_on_loopback_are_of_no_use_to_a_container(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\n")
    assert name_servers((str(file),)) == (IPv4Address("192.0.2.53"),)
    assert name_servers((str(tmp_path / "none"),)) == ()
