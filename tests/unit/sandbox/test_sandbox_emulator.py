"""The emulator's own part of the books; with machines it is tried in tests/sandbox."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING

import pytest

from sandbox.api import emulator as emulating
from sandbox.api.emulator import Emulator
from sandbox.parameters import Parameters

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.machines.gate import Target


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Emulator:
    monkeypatch.setattr(emulating, "connect", lambda _url: Thing())
    parameters = Parameters(
        environment="trial",
        project="0123456789ab",
        engine="unix:///run/docker.sock",
        api_port=4699,
        addresses=IPv4Network("127.19.0.0/24"),
        subnet=IPv4Network("172.30.19.0/24"),
        registry_port=5019,
        machine_image="moor-machine:0",
    )
    return Emulator(parameters, lambda _: None, tmp_path)


def test_each_emulator_is_another_generation(emulator: Emulator, tmp_path: Path) -> None:
    other = Emulator(emulator._parameters, lambda _: None, tmp_path)
    assert emulator.generation != other.generation


def test_public_addresses_are_taken_in_order_and_used_again(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    eips = [Thing(public_ip="127.19.0.2"), Thing(public_ip="127.19.0.4")]
    monkeypatch.setattr(emulating, "backends", lambda: [Thing(addresses=eips, reservations={})])
    # The first one is the registry's.
    assert emulator._next_public_address() == "127.19.0.3"


def test_an_address_that_was_not_asked_for_leads_nowhere(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Thing(nics={0: Thing(public_ip="198.51.100.1")})
    backend = Thing(addresses=[], reservations={"r": Thing(instances=[machine])})
    monkeypatch.setattr(emulating, "backends", lambda: [backend])
    assert emulator._next_unreachable_address() == "198.51.100.2"


def test_an_instances_groups_and_its_interfaces_are_the_same() -> None:
    interface = Thing(_group_set=["old"], device_index=0, instance=None)
    instance = Thing(security_groups=["new"], nics={0: interface})
    interface.instance = instance
    backend = Thing(get_instance=lambda _: instance, get_network_interface=lambda _: interface)
    Emulator._align_groups("modify_instance_security_groups", backend, ("i-1",), {})
    assert interface._group_set == ["new"]
    interface._group_set = ["newer"]
    Emulator._align_groups("modify_network_interface_attribute", backend, (), {"eni_id": "e"})
    assert instance.security_groups == ["newer"]


@pytest.mark.parametrize(("stays", "taken_away"), [(True, []), (False, ["127.19.0.2"])])
def test_the_elastic_ip_of_an_interface_that_stays_is_the_next_instances(
    emulator: Emulator,
    stays: bool,  # noqa: FBT001
    taken_away: list[str],
) -> None:
    instance = Thing(id="i-1")
    interface = Thing(instance=instance, delete_on_termination=not stays)
    eip = Thing(public_ip="127.19.0.2", instance=instance, eni=interface)
    instance.ec2_backend = Thing(addresses=[eip])
    found: list[str] = []
    emulator._originals["disassociate_address"] = lambda _, *, address: found.append(address)
    emulator._release(instance)
    assert found == taken_away
    # Else it would lead to the terminated one.
    assert (eip.instance is None) is stays


def test_a_gate_leads_to_whatever_instance_has_the_interface(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[dict[IPv4Address, Target]] = []
    emulator._gates = Thing(arrange=wanted.append)  # type: ignore[assignment]
    emulator._metadata = Thing(set_public=lambda _: None)  # type: ignore[assignment]
    rule = Thing(
        ip_protocol="tcp", from_port=22, to_port=22, cidr_ipv4="127.0.0.0/8", source_group={}
    )
    groups = [Thing(ingress_rules=[rule])]
    machines = [Thing(id=f"i-{n}", state="running", security_groups=groups) for n in (1, 2)]
    interface = Thing(instance=machines[0])
    eip = Thing(public_ip="127.19.0.2", instance=None, eni=interface)
    monkeypatch.setattr(emulating, "backends", lambda: [Thing(addresses=[eip])])
    emulator._addresses = dict.fromkeys(("i-1", "i-2"), IPv4Address("172.30.19.3"))
    emulator._arrange_gates()
    interface.instance = None
    emulator._arrange_gates()
    interface.instance = machines[1]
    emulator._arrange_gates()
    assert [{str(public): target.instance for public, target in one.items()} for one in wanted] == [
        {"127.19.0.2": "i-1"},
        {},
        {"127.19.0.2": "i-2"},
    ]
