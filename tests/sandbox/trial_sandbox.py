"""A sandbox for tests, with ports and networks of its own, and ways to look at it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import SandboxSettings
from sandbox.credentials import Credentials
from sandbox.engine.connect import connect
from sandbox.lifecycle import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0

SETTINGS = SandboxSettings(
    api_port=4699,
    addresses=IPv4Network("127.19.0.0/24"),
    subnet=IPv4Network("172.30.19.0/24"),
    registry_port=5019,
)
OTHER_SETTINGS = SandboxSettings(
    api_port=4698,
    addresses=IPv4Network("127.20.0.0/24"),
    subnet=IPv4Network("172.30.20.0/24"),
    registry_port=5019,
)


def make_sandbox(
    name: str = "sandbox-test", settings: SandboxSettings = SETTINGS, root: Path = ROOT
) -> Sandbox:
    """Return a sandbox that is not started yet."""
    file = root / "environments" / f"{name}.yaml"
    environment = Environment(name=name, settings_file=file, root=root)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return Sandbox(environment, settings, lambda _: None, variables)


@contextmanager
def running(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Start a sandbox, from nothing, and stop it at the end."""
    sandbox.stop()
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.stop()


def client(sandbox: Sandbox, service: str) -> Any:  # noqa: ANN401  # boto3 has no types
    """Return an AWS client of a sandbox, with its key."""
    key = Credentials.read(sandbox._environment.sandbox_credentials)
    assert key is not None
    return boto3.client(
        service,
        endpoint_url=sandbox.endpoint_url,
        region_name="eu-central-1",
        aws_access_key_id=key.access_key,
        aws_secret_access_key=key.secret_key,
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    msg = f"not within {PATIENCE} s: {what}"
    raise AssertionError(msg)


def is_open(address: str, port: int) -> bool:
    """Tell whether something listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be another user of this computer"
)


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a plain user of this computer, who is in no group."""
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
    )


def new_key(file: Path) -> str:
    """Write a new private key for SSH. Returns its public key."""
    key = Ed25519PrivateKey.generate()
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """SSH to a machine.

    Attributes:
        key: The private key's file.
        port: Where sshd listens.
    """

    key: Path
    port: int

    def run(self, address: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as core."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        words = [word for k, v in options.items() for word in ("-o", f"{k}={v}")]
        return subprocess.run(
            [
                *("ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port)),
                *(*words, f"core@{address}", command),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def output(self, address: str, command: str) -> str:
        """Run a command that must succeed. Returns what it printed."""
        result = self.run(address, command)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


def footprint(sandbox: Sandbox) -> dict[str, list[str]]:
    """List what a sandbox could leave on this computer."""
    found: dict[str, list[str]] = {
        "processes": [
            line
            for line in _lines("ps", "-eo", "args")
            if line.startswith(("dockerd", "/usr/sbin/dockerd", "/usr/bin/containerd"))
            or " -m sandbox serve " in line
            or "docker-proxy" in line
        ],
        "mounts": [line.split()[4] for line in _file("/proc/self/mountinfo")],
        "interfaces": sorted(entry.name for entry in Path("/sys/class/net").iterdir()),
        "forwarding": _file("/proc/sys/net/ipv4/ip_forward"),
    }
    if os.geteuid() == 0:
        for tool in ("iptables", "ip6tables"):
            for table in ("filter", "nat"):
                found[f"{tool} {table}"] = _lines(tool, "-w", "-t", table, "-S")
    engine = sandbox.status().engine_url
    if not engine:
        existing = sandbox._find_engine(start=False)
        engine = existing.url if existing is not None else ""
    if engine:
        docker = connect(engine)
        found["containers"] = sorted(c["Id"] for c in docker.api.containers(all=True))
        found["volumes"] = sorted(v.name for v in docker.volumes.list())
        found["networks"] = sorted(n.name or "" for n in docker.networks.list())
        docker.close()
    return found


def left_of(sandbox: Sandbox) -> list[str]:
    """List what is there of one sandbox; what others do meanwhile is not looked at."""
    environment = sandbox._environment
    lines = [line for kind in footprint(sandbox).values() for line in kind]
    engine_url = sandbox.status().engine_url
    if engine_url:
        engine = connect(engine_url)
        lines += [str(c.name) for c in engine.containers.list(all=True)]
        engine.close()
    subnet = str(sandbox._settings.subnet.network_address).rpartition(".")[0]
    marks = (f"moor-{environment.name}", str(environment.directory), f"{subnet}.")
    return [line for line in lines if any(mark in line for mark in marks)]


def _lines(*command: str) -> list[str]:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return sorted(result.stdout.splitlines())


def _file(name: str) -> list[str]:
    return sorted(Path(name).read_text().splitlines())
