"""Which addresses the sandbox gives to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Collection
    from ipaddress import IPv4Address, IPv4Network


class AddressPool:
    """Hands out the lowest free host address of a network.

    The first addresses are kept: the first host is the gateway, or the sandbox's own services.

    Args:
        network: The network.
        setting: What the error calls it, such as `sandbox.subnet`.
        kept: How many host addresses at the start are never handed out.
    """

    def __init__(self, network: IPv4Network, *, setting: str, kept: int) -> None:
        self._network = network
        self._setting = setting
        self._kept = kept

    def lowest_free(self, used: Collection[IPv4Address]) -> IPv4Address:
        """Return the lowest address that is not in use.

        Raises:
            SandboxError: All are in use.
        """
        for index, address in enumerate(self._network.hosts()):
            if index >= self._kept and address not in used:
                return address
        msg = f"{self._setting}: must have a free address, got {self._network}, all in use"
        raise SandboxError(msg)

    def offers(self, address: IPv4Address) -> bool:
        """Tell whether an address may ever be handed out."""
        first = self._network.network_address + self._kept
        return address in self._network and first < address < self._network.broadcast_address


class AddressBook:
    """A pool that remembers what it handed out.

    Args:
        pool: Where the addresses come from.
    """

    def __init__(self, pool: AddressPool) -> None:
        self._pool = pool
        self._used: set[IPv4Address] = set()

    def take(self) -> IPv4Address:
        """Take an address; nobody else gets it until it is given back."""
        address = self._pool.lowest_free(self._used)
        self._used.add(address)
        return address

    def offers(self, address: IPv4Address) -> bool:
        """Tell whether an address may ever be taken."""
        return self._pool.offers(address)

    def claim(self, address: IPv4Address) -> bool:
        """Take a certain address. Returns whether it was free; if not, nothing changes."""
        if address in self._used:
            return False
        self._used.add(address)
        return True

    def give_back(self, address: IPv4Address) -> None:
        """Let an address go."""
        self._used.discard(address)


def gateway(subnet: IPv4Network) -> IPv4Address:
    """Return the subnet's first host: the bridge, where the registry can be reached."""
    return subnet[1]


def service_address(addresses: IPv4Network) -> IPv4Address:
    """Return the first of the public addresses: the sandbox's own services."""
    return addresses[1]
