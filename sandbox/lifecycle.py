"""Starting and stopping a sandbox."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from sandbox.addresses import gateway
from sandbox.api.server import RECONCILE, ROUTE
from sandbox.engine.connect import connect
from sandbox.engine.find import Engine, find_engine
from sandbox.engine.lock import engine_lock
from sandbox.engine.private import PrivateEngine
from sandbox.engine.processes import ProcessIdentity
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.machines.image import build_images
from sandbox.machines.registry import Registry
from sandbox.names import PROJECT_LABEL, Owner, Role, project_of
from sandbox.parameters import HOST, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import DockerClient

    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import SandboxSettings

_READY_TIMEOUT: Final = 60.0
_RECONCILE_TIMEOUT: Final = 150.0
_ASK_TIMEOUT: Final = 10.0
_DYING_TIMEOUT: Final = 2.0
_LOG_LIMIT: Final = 1_000_000
_LOG_LINES: Final = 15
_NARROW_PREFIX: Final = 17

FAKE_ACCESS_KEY: Final = "moor-sandbox"
"""The emulated API takes any key; this one could never work anywhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStatus:
    """One instance of the emulated EC2.

    Attributes:
        id: The instance's id.
        state: EC2's word: `running`, `stopped`, `terminated`.
        address: Its Elastic IP; None without one.
        private_address: Its address on the sandbox's network.
        container: The name of its container.
        ports: The TCP ports that are open on the Elastic IP.
    """

    id: str
    state: str
    address: str | None
    private_address: str | None
    container: str
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """What of a sandbox is up.

    Attributes:
        running: Whether the emulated API answers.
        generation: Tells this emulator's resources from those of any other: where Terraform's
            state was made with another generation, its resources are gone. Empty when not
            running.
        endpoint_url: URL of the emulated API.
        registry: `HOST:PORT` of the registry, as machines see it.
        engine_url: URL of the Docker engine beneath; empty when not running.
        instances: The instances.
        changes: What `start` had to put right, one line each.
    """

    running: bool
    generation: str
    endpoint_url: str
    registry: str
    engine_url: str = ""
    instances: tuple[InstanceStatus, ...] = ()
    changes: tuple[str, ...] = ()


class Sandbox:
    """An emulated AWS of one environment, with machines as containers.

    Args:
        environment: Whose it is; its folders take what must be remembered, and the log.
        settings: Ports and addresses.
        report: Takes one line of progress for what takes seconds.
        variables: Usually `os.environ`, which is the default: `DOCKER_HOST` and its like.
    """

    def __init__(
        self,
        environment: Environment,
        settings: SandboxSettings,
        report: Callable[[str], None],
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = environment
        self._settings = settings
        self._report = report
        self._variables = os.environ if variables is None else variables
        self._project = project_of(environment.root)

    @property
    def endpoint_url(self) -> str:
        """URL of the emulated AWS API, for EC2, STS, IAM and S3."""
        return f"http://{HOST}:{self._settings.api_port}"

    @property
    def registry(self) -> str:
        """`HOST:PORT` of the registry, as machines see it."""
        return f"{gateway(self._settings.subnet)}:{self._settings.registry_port}"

    @property
    def log_file(self) -> Path:
        """The emulator's log."""
        return self._environment.log / "sandbox.log"

    def environment_variables(self) -> dict[str, str | None]:
        """Return what AWS clients need in their environment; None means: remove it.

        The keys are fake, so that no real account can be reached by mistake.
        """
        return {
            "AWS_ACCESS_KEY_ID": FAKE_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": FAKE_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_PROFILE": None,
            "AWS_DEFAULT_PROFILE": None,
            "AWS_SESSION_TOKEN": None,
            "AWS_SECURITY_TOKEN": None,
            "AWS_ROLE_ARN": None,
            "AWS_WEB_IDENTITY_TOKEN_FILE": None,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": None,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": None,
        }

    def start(self) -> SandboxStatus:
        """Start what is not running, and put right what changed meanwhile.

        Raises:
            SandboxError: It cannot start. What this call started is stopped again.
        """
        try:
            return self._start()
        except SandboxError as error:
            if not str(error).startswith("sandbox."):
                raise
            # It is a setting that must change: say in which file.
            msg = f"{self._settings_file}: {error}"
            raise SandboxError(msg) from error

    def _start(self) -> SandboxStatus:
        running = self._running_parameters()
        if running is not None:
            if self._same_settings(running):
                status = self._refresh(running)
                if status is not None:
                    return status
            else:
                self._report("the sandbox's settings changed: starting it anew")
                self.stop()
        self._check_api_port()
        with engine_lock(self._report):
            try:
                return self._start_anew(self._engine())
            except BaseException:
                # Also when interrupted: half a sandbox helps nobody.
                with contextlib.suppress(SandboxError, *ENGINE_ERRORS):
                    self._stop()
                raise

    def stop(self) -> None:
        """Remove everything of this sandbox. May be repeated; needs nothing to be running."""
        with engine_lock(self._report):
            self._stop()

    def _stop(self) -> None:
        identity = self._emulator_process()
        if identity is not None:
            identity.stop(patience=10)
        engine = self._engine_to_clean()
        if engine is not None:
            self._remove_all(engine.client)
            if engine.private is not None and engine.private.is_unused(engine.client):
                engine.client.close()
                engine.private.stop()
            else:
                engine.client.close()
        for name in ("process.json", "parameters.json", "amis.json"):
            (self._environment.sandbox / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._environment.sandbox.rmdir()

    def status(self) -> SandboxStatus:
        """Tell what is up. Changes nothing."""
        running = self._running_parameters()
        answer = self._ask("GET", ROUTE, running.api_port) if running is not None else None
        if running is None or answer is None:
            return self._down()
        return self._up(running, answer)

    # Starting

    def _refresh(self, running: Parameters) -> SandboxStatus | None:
        """Put right what changed. Returns None where the emulator is just dying."""
        answer = self._ask("POST", RECONCILE, running.api_port)
        if answer is None and self._has_died():
            return None
        if answer is None or "error" in answer:
            # The engine went away beneath it. Its address stays the same.
            with engine_lock(self._report):
                self._engine().client.close()
            answer = self._ask("POST", RECONCILE, running.api_port)
        if answer is None or "error" in answer:
            reason = (answer or {}).get("error", "no answer")
            msg = (
                f"sandbox: must be in order, got {reason}; run make down and make up, see "
                f"{self.log_file}"
            )
            raise SandboxError(msg)
        if not answer["registry"]:
            engine = self._engine()
            images = build_images(engine.client, self._report)
            self._make_network(engine.client, running)
            Registry(engine.client, running).start(images.registry)
            engine.client.close()
            answer["changes"].append("the registry was down; started")
        for change in answer["changes"]:
            self._report(change)
        return self._up(running, answer)

    def _start_anew(self, engine: Engine) -> SandboxStatus:
        client = engine.client
        # Leftovers of an emulator that is gone: nobody knows what they were.
        self._remove_all(client)
        images = build_images(client, self._report)
        parameters = Parameters(
            environment=self._environment.name,
            project=self._project,
            engine=engine.url,
            api_port=self._settings.api_port,
            addresses=self._settings.addresses,
            subnet=self._settings.subnet,
            registry_port=self._settings.registry_port,
            machine_image=images.machine,
        )
        self._make_network(client, parameters)
        Registry(client, parameters).start(images.registry)
        self._spawn(parameters)
        answer = self._wait(parameters)
        client.close()
        return self._up(parameters, answer)

    def _make_network(self, client: DockerClient, parameters: Parameters) -> None:
        name = parameters.network
        for network in client.networks.list():
            labels = network.attrs.get("Labels") or {}
            if network.name == name:
                if labels.get(PROJECT_LABEL) == self._project:
                    return
                msg = (
                    f"environment name: must be used once on a Docker engine, got "
                    f"{self._environment.name!r}, whose network {name} belongs to another "
                    "checkout; stop that sandbox, or rename the settings file"
                )
                raise SandboxError(msg)
            for item in (network.attrs.get("IPAM") or {}).get("Config") or ():
                _check_overlap(parameters.subnet, item.get("Subnet"), f"network {network.name}")
        for route, interface in _routes():
            _check_overlap(parameters.subnet, str(route), f"interface {interface}")
        try:
            client.networks.create(
                name,
                driver="bridge",
                ipam=IPAMConfig(
                    pool_configs=[
                        IPAMPool(
                            subnet=str(parameters.subnet),
                            gateway=str(gateway(parameters.subnet)),
                        )
                    ]
                ),
                labels=parameters.owner.labels(Role.NETWORK),
            )
        except APIError as error:
            msg = (
                f"sandbox.subnet: must be a free network, got {parameters.subnet} and the "
                f"engine's answer: {error.explanation}; choose another"
            )
            raise SandboxError(msg) from error

    def _spawn(self, parameters: Parameters) -> None:
        directory = self._environment.sandbox
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._environment.log.mkdir(parents=True, exist_ok=True, mode=0o700)
        parameters.write(directory / "parameters.json")
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.unlink()
        # The emulator signs nothing and asks nobody: no AWS variable concerns it.
        variables = {k: v for k, v in self._variables.items() if not k.startswith("AWS_")}
        variables["PYTHONPATH"] = str(Path(__file__).parent.parent)
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "serve", str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=variables,
                cwd="/",
                start_new_session=True,
            )
        identity = ProcessIdentity.of(process.pid)
        # It runs on after us; without this Python warns when the object goes.
        process.returncode = 0
        if identity is not None:
            file = directory / "process.json"
            temporary = file.with_suffix(".new")
            temporary.write_text(json.dumps(identity.to_json()))
            temporary.replace(file)

    def _wait(self, parameters: Parameters) -> dict[str, Any]:
        deadline = time.monotonic() + _READY_TIMEOUT
        identity = self._emulator_process()
        while time.monotonic() < deadline and identity is not None and identity.is_alive():
            answer = self._ask("GET", ROUTE, parameters.api_port)
            if answer is not None and answer.get("project") == self._project:
                return answer
            time.sleep(0.05)
        lines = self.log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        msg = "\n".join(
            (
                (
                    f"sandbox: the emulator must answer on {parameters.endpoint}, got no answer; "
                    f"the end of {self.log_file}:"
                ),
                *(f"  {line}" for line in lines),
            )
        )
        raise SandboxError(msg)

    def _has_died(self) -> bool:
        """Tell whether the emulator's process is gone, or goes within a moment."""
        deadline = time.monotonic() + _DYING_TIMEOUT
        while time.monotonic() < deadline:
            if self._emulator_process() is None:
                return True
            time.sleep(0.02)
        return False

    @property
    def _settings_file(self) -> Path:
        file = self._environment.settings_file
        with contextlib.suppress(ValueError):
            file = file.relative_to(self._environment.root)
        return file

    def _check_api_port(self) -> None:
        port = self._settings.api_port
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                answer = self._ask("GET", ROUTE, port, timeout=1.0)
                holder = "another program listens"
                if answer is not None and "environment" in answer:
                    holder = f"the sandbox of environment {answer['environment']!r} listens"
                msg = (
                    f"sandbox.api_port: must be free on {HOST}, got {port}, on which {holder}; "
                    f"choose another port or stop it ({error.strerror})"
                )
                raise SandboxError(msg) from error

    # Stopping

    def _engine_to_clean(self) -> Engine | None:
        """Return the engine that may hold something of ours; None where none can."""
        recorded = Parameters.read(self._environment.sandbox / "parameters.json")
        private = PrivateEngine(self._engine_directory)
        if private.has_run() and not private.is_running():
            # Its containers are on disk, and would come back with its next start.
            private.start(self._report)
        if recorded is not None:
            with contextlib.suppress(*ENGINE_ERRORS):
                client = connect(recorded.engine)
                behind = private if recorded.engine == private.url else None
                return Engine(client=client, url=recorded.engine, private=behind)
        try:
            return self._find_engine(start=False)
        except SandboxError:
            # Without an engine there is nothing to remove.
            return None

    def _remove_all(self, client: DockerClient) -> None:
        owner = self._owner
        for item in client.api.containers(all=True, filters=owner.filters()):
            with contextlib.suppress(NotFound):
                client.api.remove_container(item["Id"], force=True, v=True)
        for volume in client.volumes.list(filters=owner.filters()):
            with contextlib.suppress(NotFound):
                volume.remove(force=True)
        for network in client.networks.list(filters=owner.filters()):
            with contextlib.suppress(NotFound):
                network.remove()

    # Looking

    @property
    def _owner(self) -> Owner:
        return Owner(environment=self._environment.name, project=self._project)

    @property
    def _engine_directory(self) -> Path:
        return self._environment.root / ".tools" / "engine"

    def _find_engine(self, *, start: bool) -> Engine | None:
        return find_engine(
            directory=self._engine_directory,
            addresses=self._settings.addresses,
            variables=self._variables,
            report=self._report,
            start=start,
        )

    def _engine(self) -> Engine:
        engine = self._find_engine(start=True)
        if engine is None:  # pragma: no cover  # find_engine raises instead when it may start
            msg = "docker engine: must be there, got none"
            raise SandboxError(msg)
        return engine

    def _emulator_process(self) -> ProcessIdentity | None:
        """Return the emulator's process, where it is alive."""
        try:
            data = json.loads((self._environment.sandbox / "process.json").read_text())
        except (OSError, ValueError):
            return None
        identity = ProcessIdentity.from_json(data)
        return identity if identity is not None and identity.is_alive() else None

    def _running_parameters(self) -> Parameters | None:
        """Return what the emulator was started with, where it is alive."""
        if self._emulator_process() is None:
            return None
        return Parameters.read(self._environment.sandbox / "parameters.json")

    def _same_settings(self, running: Parameters) -> bool:
        settings = self._settings
        return (
            running.api_port,
            running.addresses,
            running.subnet,
            running.registry_port,
        ) == (settings.api_port, settings.addresses, settings.subnet, settings.registry_port)

    def _ask(
        self, method: str, path: str, port: int, timeout: float | None = None
    ) -> dict[str, Any] | None:
        if timeout is None:
            timeout = _RECONCILE_TIMEOUT if method == "POST" else _ASK_TIMEOUT
        connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
        try:
            connection.request(method, path)
            data = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return data if isinstance(data, dict) else None

    def _down(self) -> SandboxStatus:
        return SandboxStatus(
            running=False, generation="", endpoint_url=self.endpoint_url, registry=self.registry
        )

    def _up(self, parameters: Parameters, answer: dict[str, Any]) -> SandboxStatus:
        return SandboxStatus(
            running=True,
            generation=str(answer["generation"]),
            endpoint_url=self.endpoint_url,
            registry=self.registry,
            engine_url=parameters.engine,
            instances=tuple(
                InstanceStatus(
                    id=item["id"],
                    state=item["state"],
                    address=item["address"],
                    private_address=item["private_address"],
                    container=item["container"],
                    ports=tuple(item["ports"]),
                )
                for item in answer["instances"]
            ),
            changes=tuple(answer.get("changes", ())),
        )


def _check_overlap(subnet: IPv4Network, other: str | None, what: str) -> None:
    if not other or ":" in other:
        return
    if subnet.overlaps(IPv4Network(other, strict=False)):
        msg = (
            f"sandbox.subnet: must not overlap a network of this computer, got {subnet}, which "
            f"overlaps {other} of {what}; choose another"
        )
        raise SandboxError(msg)


def _routes() -> list[tuple[IPv4Network, str]]:
    """Return the networks that this computer has addresses in, without wide routes.

    A route to a wide network (a VPN's 10.0.0.0/8) may overlap: the more specific one wins.
    """
    found: list[tuple[IPv4Network, str]] = []
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return found
    for line in lines:
        words = line.split()
        address, mask = (
            IPv4Address(int.from_bytes(bytes.fromhex(words[i]), "little")) for i in (1, 7)
        )
        network = IPv4Network(f"{address}/{mask}")
        if network.prefixlen >= _NARROW_PREFIX:
            found.append((network, words[0]))
    return found
