"""A local image registry, so that machines can pull without the internet.

It holds stand-ins: small images made of busybox that answer on the real ones' ports as far as
an example looks. They are made with the registry's own image (`registry_image/`).
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound

from sandbox.addresses import gateway, registry_address, service_address
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.names import Role
from sandbox.options import UNLESS_STOPPED, limited_log

if TYPE_CHECKING:
    from docker import DockerClient

    from sandbox.parameters import Parameters

_PORT_INSIDE = 5000


class Registry:
    """The registry of one sandbox.

    Machines reach it at the gateway of their network. On the first of the public addresses
    it takes pushes from the engine, which trusts loopback addresses without TLS.

    Args:
        client: The engine.
        parameters: What the sandbox was started with.
    """

    def __init__(self, client: DockerClient, parameters: Parameters) -> None:
        self._client = client
        self._parameters = parameters
        self._name = parameters.owner.name("registry")

    def start(self, image: str) -> None:
        """Start the registry anew.

        Args:
            image: The registry's image.

        Raises:
            SandboxError: Its port is taken, or the engine refused it.
        """
        parameters = self._parameters
        self.remove()
        own = str(registry_address(parameters.subnet))
        where = (str(gateway(parameters.subnet)), str(service_address(parameters.addresses)))
        # Any: the published types do not know that a port may be published more than once.
        ports: Any = {f"{_PORT_INSIDE}/tcp": [(host, parameters.registry_port) for host in where]}
        try:
            container = self._client.containers.create(
                image,
                name=self._name,
                labels=parameters.owner.labels(Role.REGISTRY),
                network=parameters.network,
                networking_config={
                    parameters.network: self._client.api.create_endpoint_config(ipv4_address=own)
                },
                ports=ports,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                restart_policy=UNLESS_STOPPED,
                log_config=limited_log("1m"),
            )
            container.start()
        except ENGINE_ERRORS as error:
            self.remove()
            text = str(error.explanation or error) if isinstance(error, APIError) else str(error)
            if re.search(r"address already in use|port is already allocated", text):
                msg = (
                    f"sandbox.registry_port: must be a free port on {' and '.join(where)}, got "
                    f"{parameters.registry_port}, on which another program listens; choose another"
                )
            else:
                msg = f"sandbox registry: must start, got {text}"
            raise SandboxError(msg) from error

    def remove(self) -> None:
        """Remove the registry. It may be gone already."""
        with contextlib.suppress(NotFound):
            self._client.api.remove_container(self._name, force=True, v=True)
