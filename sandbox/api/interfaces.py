# ruff: noqa: ANN401  # moto's backends, instances and interfaces have no usable types
"""Network interfaces: who has which private address, for how long, and on which machine.

An address belongs to an interface, as on AWS. One that was made with its instance goes with it; one
that the instance was given stays, with its address, its groups and its Elastic IP, and the next
instance on it has them all.
"""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from sandbox.api.books import interfaces_of
from sandbox.api.methods import api_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sandbox.addresses import AddressBook


class Interfaces:
    """The interfaces that machines may have.

    Args:
        book: Addresses on the machines' network.
        subnet: The machines' network: of all subnets that the API tells, there is this one.
    """

    def __init__(self, book: AddressBook, subnet: IPv4Network) -> None:
        self._book = book
        self._subnet = subnet
        self._addresses: dict[str, IPv4Address] = {}

    def create(
        self,
        original: Callable[..., Any],
        backend: Any,
        subnet: Any,
        private_ip_address: Any,
        private_ip_addresses: list[Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Stand in for moto's `create_network_interface`: the address is one of the machines'."""
        if "secondary_ips_count" in kwargs:
            # This is how moto hands on CreateNetworkInterface.
            address = self._take(_asked_for(private_ip_address, private_ip_addresses))
        elif "device_index" in kwargs:
            # With an instance. The address is one that moto thought of.
            address = self._book.take()
        else:
            # NAT gateways and the like, which are no machines here.
            return original(
                backend, subnet, private_ip_address, private_ip_addresses, *args, **kwargs
            )
        try:
            interface = original(backend, subnet, str(address), None, *args, **kwargs)
        except Exception:
            self._book.give_back(address)
            raise
        self._addresses[interface.id] = address
        return interface

    def delete(self, original: Callable[..., Any], backend: Any, eni_id: str) -> Any:
        """Stand in for moto's `delete_network_interface`, which asks for nothing."""
        interface = backend.get_network_interface(eni_id)
        if interface.instance is not None:
            raise api_error(
                "InvalidParameterValue", f"Network interface '{eni_id}' is currently in use."
            )
        return self._delete(original, interface)

    def choose(self, backend: Any, call: dict[str, Any]) -> None:
        """Check what RunInstances says of interfaces, and complete it.

        Args:
            backend: moto's.
            call: The keyword arguments of moto's `run_instances`.
        """
        specs = call.get("nics") or []
        if specs and (call.get("security_group_ids") or call.get("security_group_names")):
            raise api_error(
                "InvalidParameterCombination",
                "Network interfaces and an instance-level security groups may not be specified "
                "on the same request",
            )
        for spec in _given(specs):
            interface = backend.get_network_interface(spec["NetworkInterfaceId"])
            if interface.instance is not None:
                raise api_error(
                    "InvalidNetworkInterface.InUse", f"Interface: [{interface.id}] in use."
                )
            if int(spec.get("DeviceIndex", 0)) == 0:
                # Else moto has the instance, and its disk, in the region's first zone.
                call["subnet_id"] = interface.subnet.id

    def adopt(self, instance: Any, call: Mapping[str, Any]) -> None:
        """Note which interfaces of a new instance go with it, and take over the first one's groups.

        Args:
            instance: moto's.
            call: The keyword arguments of moto's `run_instances`.
        """
        specs = call.get("nics") or []
        given = {spec["NetworkInterfaceId"] for spec in _given(specs)}
        goes = {
            int(spec.get("DeviceIndex", 0)): spec["DeleteOnTermination"] is True
            for spec in specs
            if "DeleteOnTermination" in spec
        }
        for index, interface in instance.nics.items():
            interface.delete_on_termination = goes.get(index, interface.id not in given)
        if specs:
            instance.security_groups = list(instance.nics[0]._group_set)  # noqa: SLF001

    def address(self, instance: Any) -> IPv4Address:
        """Return the address of an instance's first interface."""
        return self._addresses[instance.nics[0].id]

    @contextlib.contextmanager
    def kept(self, instances: Iterable[Any]) -> Iterator[None]:
        """Keep moto from deleting the interfaces of instances that it terminates.

        Their machines are still there, so that nobody else may have the addresses yet.
        """
        going = [
            interface
            for instance in instances
            for interface in interfaces_of(instance)
            if interface.delete_on_termination
        ]
        for interface in going:
            interface.delete_on_termination = False
        try:
            yield
        finally:
            for interface in going:
                interface.delete_on_termination = True

    def leave(self, delete: Callable[..., Any], instance: Any) -> None:
        """Take the interfaces from an instance whose machine is gone.

        Args:
            delete: moto's own `delete_network_interface`.
            instance: moto's. It still tells its former interfaces.
        """
        for interface in interfaces_of(instance):
            interface.instance = None
            interface.attachment_id = None
            interface.attach_time = None
            interface.device_index = None
            interface.status = "available"
            if interface.delete_on_termination and interface.id in interface.ec2_backend.enis:
                self._delete(delete, interface)

    def _delete(self, original: Callable[..., Any], interface: Any) -> Any:
        backend = interface.ec2_backend
        for eip in backend.addresses:
            if eip.eni is interface:
                backend.disassociate_address(address=eip.public_ip)
        result = original(backend, interface.id)
        address = self._addresses.pop(interface.id, None)
        if address is not None:
            self._book.give_back(address)
        return result

    def _take(self, wanted: IPv4Address | None) -> IPv4Address:
        if wanted is None:
            return self._book.take()
        if wanted not in self._subnet:
            raise api_error(
                "InvalidParameterValue",
                f"Address {wanted} does not fall within the subnet's address range; here that is "
                f"sandbox.subnet, {self._subnet}",
            )
        if not self._book.offers(wanted):
            raise api_error(
                "InvalidParameterValue",
                f"Address {wanted} is in subnet's reserved address range",
            )
        if not self._book.claim(wanted):
            raise api_error("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
        return wanted


def _given(specs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what RunInstances says of interfaces that are there already."""
    return [spec for spec in specs if spec.get("NetworkInterfaceId")]


def _asked_for(address: Any, addresses: list[Any] | None) -> IPv4Address | None:
    """Return the address that CreateNetworkInterface asks for as the first one; None for any."""
    listed = [a if isinstance(a, dict) else {"PrivateIpAddress": a} for a in addresses or ()]
    listed.sort(key=lambda item: not item.get("Primary"))
    wanted = address or next((item.get("PrivateIpAddress") for item in listed), None)
    if not wanted:
        return None
    try:
        return IPv4Address(str(wanted))
    except ValueError as error:
        raise api_error(
            "InvalidParameterValue", f"invalid value for parameter address: {wanted}"
        ) from error
