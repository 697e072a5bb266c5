"""Where a swarm's own image registry is, as its machines know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REGISTRY_NAME: Final = "moor-registry"
"""The registry's name in image references, in its certificate, and in each machine's /etc/hosts.

A name, and no address: references stay what they are when the registry moves."""

REGISTRY_PORT: Final = 5000
"""Its TCP port, which the machines' group opens for the machines alone."""

REGISTRY: Final = f"{REGISTRY_NAME}:{REGISTRY_PORT}"
"""What the references of its images begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPlace:
    """The machine that has the registry.

    Attributes:
        address: Its private address, which may be a token.
        machine: Its id, which may be one: another machine does not have the images.
    """

    address: str
    machine: str
