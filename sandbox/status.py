"""What of a sandbox is up, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        udp_ports: The UDP ports that are.
    """

    id: str
    state: str
    address: str | None
    private_address: str | None
    container: str
    ports: tuple[int, ...]
    udp_ports: tuple[int, ...] = ()

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read what the emulator says of one instance."""
        return cls(
            id=item["id"],
            state=item["state"],
            address=item["address"],
            private_address=item["private_address"],
            container=item["container"],
            ports=tuple(item["ports"]),
            # An emulator of the version before, which still runs, opens none.
            udp_ports=tuple(item.get("udp_ports", ())),
        )


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
        permissions: What IAM calls that which the API was asked for so far, such as
            `ec2:RunInstances`.
    """

    running: bool
    generation: str
    endpoint_url: str
    registry: str
    engine_url: str = ""
    instances: tuple[InstanceStatus, ...] = ()
    changes: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
