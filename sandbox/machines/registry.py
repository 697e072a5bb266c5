"""A local image registry, so that machines can pull without the internet.

It holds stand-ins: small images made of busybox that answer on the real ones' ports as far as
an example looks. They are made with the registry's own image (`registry_image/`). Whoever could
push to it would have machines run what he likes as root: `registry_door` is the only way in.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from docker.errors import APIError, NotFound
from docker.types import Mount

from constructs_lib.files.private_file import PRIVATE_DIRECTORY_MODE, make_private_directory
from sandbox.addresses import gateway, service_address
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.machines.registry_door import SOCKET, listeners
from sandbox.names import Role
from sandbox.options import UNLESS_STOPPED, limited_log

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path

    from docker import DockerClient
    from docker.models.containers import Container

    from sandbox.parameters import Parameters

FOLDER: Final = "registry"
"""The folder of its socket, beside the other files of the sandbox."""

_FOLDER_INSIDE: Final = "/run/moor"
_READY_TIMEOUT: Final = 15.0


def addresses(parameters: Parameters) -> list[IPv4Address]:
    """Return where the registry's port is: on the machines' gateway, and on this computer."""
    return [gateway(parameters.subnet), service_address(parameters.addresses)]


class Registry:
    """The registry of one sandbox.

    Machines reach it at the gateway of their network. On the first of the public addresses
    it takes pushes from the engine, which trusts loopback addresses without TLS.

    Args:
        client: The engine.
        parameters: What the sandbox was started with.
        folder: Where its socket is to be.
    """

    def __init__(self, client: DockerClient, parameters: Parameters, folder: Path) -> None:
        self._client = client
        self._parameters = parameters
        self._folder = folder
        self._name = parameters.owner.name("registry")

    def start(self, image: str) -> None:
        """Start the registry anew.

        Args:
            image: The registry's image.

        Raises:
            SandboxError: The engine refused it, or it does not listen.
        """
        parameters = self._parameters
        self.remove()
        make_private_directory(self._folder)
        self._folder.chmod(PRIVATE_DIRECTORY_MODE)
        try:
            container = self._client.containers.create(
                image,
                name=self._name,
                labels=parameters.owner.labels(Role.REGISTRY),
                # In no network: nobody can go around the door.
                network_mode="none",
                mounts=[Mount(_FOLDER_INSIDE, str(self._folder), type="bind")],
                # The socket is then ours, and nobody else may connect to it.
                user=f"{os.geteuid()}:{os.getegid()}",
                cap_drop=["ALL"],
                security_opt=["no-new-privileges", "label=disable"],
                restart_policy=UNLESS_STOPPED,
                log_config=limited_log("1m"),
            )
            (self._folder / SOCKET).unlink(missing_ok=True)
            container.start()
            self._wait(container)
        except ENGINE_ERRORS as error:
            self.remove()
            text = str(error.explanation or error) if isinstance(error, APIError) else str(error)
            msg = f"sandbox registry: must start, got {text}"
            raise SandboxError(msg) from error

    def _wait(self, container: Container) -> None:
        """Wait until it listens: before, its door would have nobody to lead to."""
        deadline = time.monotonic() + _READY_TIMEOUT
        while not (self._folder / SOCKET).exists():
            if time.monotonic() > deadline:
                said = container.logs(tail=5).decode(errors="replace").strip()
                self.remove()
                msg = (
                    f"sandbox registry: must listen within {_READY_TIMEOUT:.0f} s in "
                    f"{self._folder}, which the engine must see, got: {said or 'no word'}"
                )
                raise SandboxError(msg)
            time.sleep(0.02)

    def check_port(self) -> None:
        """See that the port of its door is free, once the machines' network is there.

        Raises:
            SandboxError: Another program listens there.
        """
        where, port = addresses(self._parameters), self._parameters.registry_port
        try:
            for probe in listeners(where, port):
                probe.close()
        except OSError as error:
            msg = (
                f"sandbox.registry_port: must be a free port on {' and '.join(map(str, where))}, "
                f"got {port}, on which another program listens; choose another ({error.strerror})"
            )
            raise SandboxError(msg) from error

    def remove(self) -> None:
        """Remove the registry. It may be gone already."""
        with contextlib.suppress(NotFound):
            self._client.api.remove_container(self._name, force=True, v=True)
