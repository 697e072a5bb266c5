"""Network interfaces: whose address it is, and for how long."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from moto.ec2.exceptions import EC2ClientError

from sandbox.addresses import AddressBook, AddressPool
from sandbox.api.interfaces import Interfaces

SUBNET = IPv4Network("172.30.19.0/24")


class Backend:
    """Stands for moto's backend: keeps interfaces, and takes Elastic IPs away."""

    def __init__(self) -> None:
        self.enis: dict[str, Any] = {}
        self.addresses: list[Any] = []
        self.taken_away: list[str] = []

    def get_network_interface(self, eni_id: str) -> Any:  # noqa: ANN401
        """Return an interface."""
        return self.enis[eni_id]

    def disassociate_address(self, *, address: str) -> None:
        """Note it."""
        self.taken_away.append(address)


def moto_create(
    backend: Backend,
    subnet: object,
    address: str | None,
    addresses: list[Any] | None = None,
    group_ids: list[str] | None = None,
    **_: object,
) -> Any:  # noqa: ANN401
    """Stand for moto's own method."""
    if group_ids == ["sg-none"]:
        msg = "no such group"
        raise LookupError(msg)
    interface = Thing(
        id=f"eni-{len(backend.enis)}",
        subnet=subnet,
        private_ip_address=address,
        private_ip_addresses=addresses,
        ec2_backend=backend,
        instance=None,
        delete_on_termination=False,
        status="available",
        _group_set=list(group_ids or []),
    )
    backend.enis[interface.id] = interface
    return interface


def moto_delete(backend: Backend, eni_id: str) -> None:
    """Stand for moto's own method."""
    del backend.enis[eni_id]


@pytest.fixture
def book() -> AddressBook:
    return AddressBook(AddressPool(SUBNET, setting="sandbox.subnet", kept=2))


@pytest.fixture
def ours(book: AddressBook) -> Interfaces:
    return Interfaces(book, SUBNET)


@pytest.fixture
def backend() -> Backend:
    return Backend()


def asked(
    ours: Interfaces,
    backend: Backend,
    address: str | None = None,
    addresses: list[Any] | None = None,
    groups: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401
    """Make an interface as the API is asked to."""
    return ours.create(
        moto_create,
        backend,
        Thing(id="subnet-b"),
        address,
        addresses,
        list(groups),
        secondary_ips_count=None,
    )


def run(ours: Interfaces, backend: Backend, call: dict[str, Any]) -> Any:  # noqa: ANN401
    """Run an instance, as the emulator and moto do together."""
    ours.choose(backend, call)
    instance = Thing(
        id="i-1", ec2_backend=backend, security_groups=["of the call"], nics={}, state="running"
    )
    for spec in call.get("nics") or [{"DeviceIndex": 0}]:
        interface = backend.enis.get(spec.get("NetworkInterfaceId")) or ours.create(
            moto_create, backend, Thing(id="subnet-a"), "172.31.0.4", device_index=0
        )
        interface.instance = instance
        instance.nics[int(spec["DeviceIndex"])] = interface
    ours.adopt(instance, call)
    return instance


def given(interface: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a call that runs an instance on an interface."""
    return {"nics": [{"DeviceIndex": "0", "NetworkInterfaceId": interface.id}]}


def error_of(caught: pytest.ExceptionInfo[Any]) -> tuple[str, str]:
    error = caught.value
    return error.code, error.message


def test_an_interface_has_the_next_address_of_the_machines(
    ours: Interfaces, backend: Backend
) -> None:
    first, second = asked(ours, backend), asked(ours, backend)
    assert (first.private_ip_address, second.private_ip_address) == ("172.30.19.3", "172.30.19.4")


@pytest.mark.parametrize(
    ("address", "addresses"),
    [
        ("172.30.19.50", None),
        (None, [{"PrivateIpAddress": "172.30.19.50", "Primary": True}]),
        (
            None,
            [
                {"PrivateIpAddress": "172.30.19.9", "Primary": False},
                {"PrivateIpAddress": "172.30.19.50", "Primary": True},
            ],
        ),
        (None, ["172.30.19.50"]),
    ],
)
def test_it_has_the_address_that_was_asked_for(
    ours: Interfaces, backend: Backend, address: str | None, addresses: list[Any] | None
) -> None:
    assert asked(ours, backend, address, addresses).private_ip_address == "172.30.19.50"


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        (
            "172.31.0.4",
            "InvalidParameterValue",
            (
                "Address 172.31.0.4 does not fall within the subnet's address range; here that is "
                "sandbox.subnet, 172.30.19.0/24"
            ),
        ),
        (
            "172.30.19.2",
            "InvalidParameterValue",
            "Address 172.30.19.2 is in subnet's reserved address range",
        ),
        (
            "172.30.19.255",
            "InvalidParameterValue",
            "Address 172.30.19.255 is in subnet's reserved address range",
        ),
        ("172.30.19.3", "InvalidIPAddress.InUse", "Address 172.30.19.3 is in use."),
        ("x", "InvalidParameterValue", "invalid value for parameter address: x"),
    ],
)
def test_it_fails_when_the_address_is_not_to_be_had(
    ours: Interfaces, backend: Backend, address: str, code: str, message: str
) -> None:
    asked(ours, backend)
    with pytest.raises(EC2ClientError) as caught:
        asked(ours, backend, address)
    assert error_of(caught) == (code, message)
    # Nothing was taken.
    assert asked(ours, backend).private_ip_address == "172.30.19.4"


def test_one_that_moto_refuses_takes_no_address(ours: Interfaces, backend: Backend) -> None:
    with pytest.raises(LookupError):
        asked(ours, backend, groups=("sg-none",))
    assert asked(ours, backend).private_ip_address == "172.30.19.3"


def test_a_deleted_one_gives_its_address_and_its_elastic_ip_back(
    ours: Interfaces, backend: Backend
) -> None:
    interface = asked(ours, backend)
    backend.addresses = [
        Thing(public_ip="127.19.0.2", eni=interface),
        Thing(public_ip="127.19.0.3", eni=None),
    ]
    ours.delete(moto_delete, backend, interface.id)
    assert backend.taken_away == ["127.19.0.2"]
    assert asked(ours, backend).private_ip_address == "172.30.19.3"


def test_others_interfaces_are_left_to_moto(ours: Interfaces, backend: Backend) -> None:
    gateway = ours.create(moto_create, backend, Thing(id="subnet-a"), "10.1.2.3")
    assert gateway.private_ip_address == "10.1.2.3"
    ours.delete(moto_delete, backend, gateway.id)
    assert asked(ours, backend).private_ip_address == "172.30.19.3"


def test_an_instances_own_interface_goes_with_it(
    ours: Interfaces, backend: Backend, book: AddressBook
) -> None:
    instance = run(ours, backend, {"security_group_ids": ["sg-1"]})
    # What moto thought of is no address of a machine.
    assert ours.address(instance) == IPv4Address("172.30.19.3")
    assert instance.nics[0].delete_on_termination is True
    assert instance.security_groups == ["of the call"]
    with ours.kept([instance]):
        assert instance.nics[0].delete_on_termination is False
    assert not book.claim(IPv4Address("172.30.19.3"))
    ours.leave(moto_delete, instance)
    assert backend.enis == {}
    assert book.claim(IPv4Address("172.30.19.3"))


def test_a_given_interface_stays_with_its_address_and_is_the_next_ones(
    ours: Interfaces, backend: Backend, book: AddressBook
) -> None:
    interface = asked(ours, backend, groups=("sg-1", "sg-2"))
    call = given(interface)
    first = run(ours, backend, call)
    assert call["subnet_id"] == "subnet-b"
    assert first.security_groups == ["sg-1", "sg-2"]
    with ours.kept([first]):
        assert interface.delete_on_termination is False
    ours.leave(moto_delete, first)
    assert (interface.status, interface.instance) == ("available", None)
    assert not book.claim(IPv4Address("172.30.19.3"))
    second = run(ours, backend, given(interface))
    assert ours.address(second) == ours.address(first) == IPv4Address("172.30.19.3")
    # Ended once more, as Terraform may ask: the second one keeps it.
    ours.leave(moto_delete, first)
    assert interface.instance is second


def test_a_given_interface_goes_where_the_call_says_so(ours: Interfaces, backend: Backend) -> None:
    interface = asked(ours, backend)
    call = given(interface)
    call["nics"][0]["DeleteOnTermination"] = True
    instance = run(ours, backend, call)
    ours.leave(moto_delete, instance)
    assert backend.enis == {}


def test_an_interface_in_use_is_not_given_nor_deleted(ours: Interfaces, backend: Backend) -> None:
    interface = asked(ours, backend)
    run(ours, backend, given(interface))
    with pytest.raises(EC2ClientError) as caught:
        ours.choose(backend, given(interface))
    assert error_of(caught) == (
        "InvalidNetworkInterface.InUse",
        f"Interface: [{interface.id}] in use.",
    )
    with pytest.raises(EC2ClientError) as caught:
        ours.delete(moto_delete, backend, interface.id)
    assert error_of(caught) == (
        "InvalidParameterValue",
        f"Network interface '{interface.id}' is currently in use.",
    )
    assert interface.id in backend.enis


@pytest.mark.parametrize("groups", ["security_group_ids", "security_group_names"])
def test_groups_are_the_interfaces_and_not_the_calls(
    ours: Interfaces, backend: Backend, groups: str
) -> None:
    with pytest.raises(EC2ClientError) as caught:
        ours.choose(backend, given(asked(ours, backend)) | {groups: ["sg-1"]})
    assert error_of(caught) == (
        "InvalidParameterCombination",
        (
            "Network interfaces and an instance-level security groups may not be specified on the "
            "same request"
        ),
    )
