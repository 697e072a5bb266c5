"""Starting and stopping a sandbox."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from docker.errors import NotFound

from constructs_lib.settings.environment import SANDBOX_PROFILE
from sandbox.addresses import gateway
from sandbox.api.server import RECONCILE, ROUTE
from sandbox.api.volumes import FOLDER as VOLUMES
from sandbox.emulator_process import EmulatorProcess
from sandbox.engine.connect import connect
from sandbox.engine.find import Engine, find_engine
from sandbox.engine.lock import engine_lock
from sandbox.engine.private import PrivateEngine
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.machines.block_device import attached
from sandbox.machines.image import build_images
from sandbox.machines.registry import FOLDER as REGISTRY_FOLDER
from sandbox.machines.registry import Registry
from sandbox.names import Owner, project_of
from sandbox.network import make_network
from sandbox.parameters import HOST, Parameters
from sandbox.status import InstanceStatus, SandboxStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from docker import DockerClient

    from constructs_lib.settings.environment import Environment
    from constructs_lib.settings.settings import SandboxSettings

_USERS_OWN: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables by which AWS's programs find an account that is not ours."""


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
        self._emulator = EmulatorProcess(environment.sandbox, self.log_file)

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

        They find the sandbox's key in its file, and no account of the user's: neither can a real
        one be reached by mistake, nor is its key told to the emulator.
        """
        return {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_PROFILE": SANDBOX_PROFILE,
            "AWS_SHARED_CREDENTIALS_FILE": str(self._environment.sandbox_credentials),
        } | dict.fromkeys(_USERS_OWN)

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
        running = self._emulator.running()
        if running is not None:
            if self._emulator.credentials() is None:
                self._report(
                    "the sandbox that runs asks for no key, as one of an earlier version: "
                    "starting it anew"
                )
                self.stop()
            elif self._same_settings(running):
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
        self._emulator.stop()
        engine = self._engine_to_clean()
        if engine is not None:
            self._remove_all(engine.client)
            if engine.private is not None and engine.private.is_unused(engine.client):
                engine.client.close()
                engine.private.stop()
            else:
                engine.client.close()
        self._detach_volumes()
        self._emulator.forget()

    def status(self) -> SandboxStatus:
        """Tell what is up. Changes nothing."""
        running = self._emulator.running()
        answer = None
        if running is not None:
            answer = self._emulator.ask("GET", ROUTE, running.api_port)
        if running is None or answer is None:
            return self._down()
        return self._up(running, answer)

    # Starting

    def _refresh(self, running: Parameters) -> SandboxStatus | None:
        """Put right what changed. Returns None where the emulator is just dying."""
        answer = self._emulator.ask("POST", RECONCILE, running.api_port)
        if answer is None and self._emulator.has_died():
            return None
        if answer is None or "error" in answer:
            # The engine went away beneath it. Its address stays the same.
            with engine_lock(self._report):
                self._engine().client.close()
            answer = self._emulator.ask("POST", RECONCILE, running.api_port)
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
            make_network(engine.client, running)
            Registry(engine.client, running, self._registry_folder).start(images.registry)
            engine.client.close()
            answer["changes"].append("the registry was down; started")
        for change in answer["changes"]:
            self._report(change)
        return self._up(running, answer)

    def _start_anew(self, engine: Engine) -> SandboxStatus:
        client = engine.client
        # Leftovers of an emulator that is gone: nobody knows what they were.
        self._remove_all(client)
        self._detach_volumes()
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
        make_network(client, parameters)
        registry = Registry(client, parameters, self._registry_folder)
        registry.check_port()
        registry.start(images.registry)
        answer = self._emulator.start(parameters, self._variables)
        client.close()
        return self._up(parameters, answer)

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
                holder = "another program listens"
                if (other := self._neighbour_on(port)) is not None:
                    holder = f"the sandbox of environment {other!r} listens"
                msg = (
                    f"sandbox.api_port: must be free on {HOST}, got {port}, on which {holder}; "
                    f"choose another port or stop it ({error.strerror})"
                )
                raise SandboxError(msg) from error

    def _neighbour_on(self, port: int) -> str | None:
        """Return the environment of this checkout whose sandbox has a port; None for any other."""
        for folder in self._environment.directory.parent.glob("*/sandbox"):
            other = EmulatorProcess(folder, self.log_file).running()
            if other is not None and other.api_port == port:
                return other.environment
        return None

    @property
    def _registry_folder(self) -> Path:
        return self._environment.sandbox / REGISTRY_FOLDER

    # Stopping

    def _engine_to_clean(self) -> Engine | None:
        """Return the engine that may hold something of ours; None where none can."""
        recorded = self._emulator.recorded()
        private = PrivateEngine.here(self._engine_directory)
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

    def _detach_volumes(self) -> None:
        """Give the computer's block devices back. What is on the volumes stays in their files."""
        for device in attached((self._environment.sandbox / VOLUMES).resolve()):
            device.detach()

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

    def _same_settings(self, running: Parameters) -> bool:
        settings = self._settings
        return (
            running.api_port,
            running.addresses,
            running.subnet,
            running.registry_port,
        ) == (settings.api_port, settings.addresses, settings.subnet, settings.registry_port)

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
            instances=tuple(InstanceStatus.read(item) for item in answer["instances"]),
            changes=tuple(answer.get("changes", ())),
            permissions=tuple(answer.get("permissions", ())),
        )
