"""Bare machines for the tests of a swarm: the sandbox's, with Docker's API open, and no AWS.

Each is a container of the machine image on a network of its own, whose packet filter lets all in:
from here and from the others. Docker listens on its private address, over mutual TLS, with a
certificate of the environment's authority, as the steps of a deployment would leave it.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from trial_sandbox import SETTINGS, make_sandbox

from constructs_lib.identity.pki import Pki
from constructs_lib.swarm.managers import NodeEndpoint, open_engine
from sandbox.engine.lock import engine_lock
from sandbox.machines.image import build_images
from sandbox.machines.machine import Machines, MachineSpec
from sandbox.network import make_network
from sandbox.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient
    from docker.models.containers import Container

    from sandbox.lifecycle import Sandbox

PORT = 2376
SUBNET = IPv4Network("172.30.29.0/24")
EVERYTHING = "*mangle\n:MOOR-SANDBOX - [0:0]\nCOMMIT\n"
IMAGE = "sleeper"

_DROP_IN = f"""\
[Service]
Environment="DOCKER_OPTS=--host=tcp://0.0.0.0:{PORT} --tlsverify \
--tlscacert=/etc/docker/clients.pem --tlscert=/etc/docker/server.pem \
--tlskey=/etc/docker/server-key.pem"
StartLimitIntervalSec=0
"""
_START = """\
set -e
until systemctl cat docker.service >/dev/null 2>&1; do sleep 0.05; done
systemctl daemon-reload
systemctl enable docker.service
systemctl restart docker.service
"""
_SLEEPER = """\
set -e
libraries=$(ldd /usr/bin/sleep | grep -o '/[^ ]*')
tar -chf - /usr/bin/sleep $libraries 2>/dev/null | docker import - sleeper:1 >/dev/null
"""


class _Bare(Machines):
    """Machines without a metadata service: they are up when Docker is, which is seen later."""

    def _wait(self, container: Container) -> None:
        del container


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmMachines:
    """Machines that are up, each with its Docker API.

    Attributes:
        sandbox: Whose they are; only its engine runs.
        client: The engine beneath.
        machines: What makes them.
        pki: The certificates.
        names: The names of those there are, and how often each was made.
    """

    sandbox: Sandbox
    client: DockerClient
    machines: Machines
    pki: Pki
    names: dict[str, int] = field(default_factory=dict)

    @property
    def folders(self) -> tuple[Path, Path]:
        """The folders of certificates."""
        return self.pki.certificates_dir, self.pki.next_dir

    def endpoint(self, name: str) -> NodeEndpoint:
        """Return where a machine's Docker API is; the same for each machine of that name."""
        kind, _, number = name.rpartition("-")
        last = {"manager": 10, "worker": 100}.get(kind, 200) + int(number)
        address = str(IPv4Address(int(SUBNET.network_address) + last))
        return NodeEndpoint(name=name, address=address, private_address=address, port=PORT)

    def endpoints(self, names: Sequence[str]) -> list[NodeEndpoint]:
        """Return where several machines are."""
        return [self.endpoint(name) for name in names]

    def boot(self, *names: str) -> None:
        """Make machines, at once, and wait until each answers."""
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            list(pool.map(self._boot, names))

    def container(self, name: str) -> Container:
        """Return the container that is a machine."""
        return self.client.containers.get(self.machines.name(self._instance(name)))

    def run(self, name: str, command: str) -> str:
        """Run a command as root on a machine. Returns what it printed."""
        status, output = self.container(name).exec_run(["bash", "-c", command])
        assert isinstance(output, bytes)
        # A journal has what a program has written, whatever that is.
        text = output.decode(errors="backslashreplace")
        assert status == 0, text
        return text

    def kill(self, *names: str) -> None:
        """Take the power from machines; their disks stay."""
        for name in names:
            self.container(name).kill()

    def start(self, *names: str) -> None:
        """Give machines power again, and wait until each answers."""
        for name in names:
            self.container(name).start()
        for name in names:
            self._wait(name)

    def replace(self, *names: str) -> None:
        """Put new machines in the place of others, at the same addresses."""
        self.remove(*names)
        self.boot(*names)

    def remove(self, *names: str) -> None:
        """Remove machines with their disks."""
        for name in names:
            self.machines.remove(self._instance(name))

    @contextlib.contextmanager
    def engine(self, name: str) -> Iterator[Any]:
        """Yield a client of a machine's engine, much of which has no types."""
        with open_engine(self.endpoint(name), self.pki.certificates_dir) as client:
            yield client

    def info(self, name: str) -> dict[str, Any]:
        """Return what a machine says of its swarm."""
        with self.engine(name) as client:
            found: dict[str, Any] = client.info()["Swarm"]
            return found

    def answers(self, name: str) -> bool:
        """Tell whether a machine's API answers."""
        with contextlib.suppress(Exception), self.engine(name) as client:
            return bool(client.ping())
        return False

    def leave_swarms(self) -> None:
        """Let every machine that is there leave whatever swarm it is in."""
        for name in self.names:
            with self.engine(name) as client, contextlib.suppress(Exception):
                client.api.leave_swarm(force=True)

    def _instance(self, name: str) -> str:
        return f"i-{name}"

    def _boot(self, name: str) -> None:
        endpoint = self.endpoint(name)
        self.machines.boot(
            MachineSpec(
                instance=self._instance(name),
                address=IPv4Address(endpoint.private_address),
                packet_filter=EVERYTHING,
            )
        )
        files = self._files(name, endpoint.address)
        self.container(name).put_archive("/etc", _archive(files))
        self.run(name, _START)
        self._wait(name)
        self.run(name, _SLEEPER)
        self.names[name] = self.names.get(name, 0) + 1

    def _wait(self, name: str) -> None:
        # An engine that was in a swarm looks 20 s for the others before it answers.
        deadline = time.monotonic() + 60
        while not self.answers(name):
            assert time.monotonic() < deadline, f"not within 60 s: {name} answers"
            time.sleep(0.1)

    def _files(self, name: str, address: str) -> dict[str, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .sign(key, hashes.SHA256())
        )
        with engine_lock(lambda _: None):
            # One folder for all machines: what is issued is read before the next one is.
            self.pki.issue_server_certificate(
                address, request.public_bytes(serialization.Encoding.PEM)
            )
            issued = {
                f"docker/{file}": (self.pki.install_dir / file).read_bytes()
                for file in ("server.pem", "clients.pem")
            }
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            **issued,
            "docker/server-key.pem": private,
            "systemd/system/docker.service.d/10-api.conf": _DROP_IN.encode(),
        }


@contextlib.contextmanager
def swarm_machines(folder: Path) -> Iterator[SwarmMachines]:
    """Yield what makes bare machines, and remove them all at the end.

    Args:
        folder: Takes the certificates.
    """
    settings = SETTINGS.model_copy(update={"subnet": SUBNET})
    sandbox = make_sandbox("swarm-test", settings)
    sandbox.stop()
    try:
        with engine_lock(lambda _: None):
            client = sandbox._engine().client
            images = build_images(client, lambda _: None)
            parameters = Parameters(
                environment="swarm-test",
                project=sandbox._project,
                engine="",
                api_port=settings.api_port,
                addresses=settings.addresses,
                subnet=SUBNET,
                registry_port=settings.registry_port,
                machine_image=images.machine,
            )
            make_network(client, parameters)
        pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certificates")
        pki.ensure()
        yield SwarmMachines(
            sandbox=sandbox,
            client=client,
            machines=_Bare(
                client,
                owner=sandbox._owner,
                image=images.machine,
                network=parameters.network,
                subnet=SUBNET,
                registry_port=settings.registry_port,
            ),
            pki=pki,
        )
        client.close()
    finally:
        sandbox.stop()


def _archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
