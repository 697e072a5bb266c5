"""What a running sandbox was started with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Self

from constructs_lib.files.private_file import write_private
from sandbox.names import Owner

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
"""Where the emulated API listens. Nobody outside of this computer has a reason to ask it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Everything that the emulator's process is told.

    Attributes:
        environment: The environment's name.
        project: The checkout, as `project_of` names it.
        engine: URL of the Docker engine.
        api_port: TCP port of the emulated API.
        addresses: Where public addresses come from.
        subnet: The machines' network.
        registry_port: TCP port of the registry, on the gateway.
        machine_image: The machine image's name and tag.
    """

    environment: str
    project: str
    engine: str
    api_port: int
    addresses: IPv4Network
    subnet: IPv4Network
    registry_port: int
    machine_image: str

    @property
    def owner(self) -> Owner:
        """Whose the sandbox is."""
        return Owner(environment=self.environment, project=self.project)

    @property
    def endpoint(self) -> str:
        """URL of the emulated API."""
        return f"http://{HOST}:{self.api_port}"

    @property
    def network(self) -> str:
        """The name of the machines' Docker network."""
        return self.owner.name()

    def write(self, file: Path) -> None:
        """Write a file that `read` takes."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data |= {"addresses": str(self.addresses), "subnet": str(self.subnet)}
        write_private(file, json.dumps(data, indent=1).encode())

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read what `write` wrote; None where there is nothing usable."""
        try:
            data = json.loads(file.read_text())
            data["addresses"] = IPv4Network(data["addresses"])
            data["subnet"] = IPv4Network(data["subnet"])
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError):
            return None
