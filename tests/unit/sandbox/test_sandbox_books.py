"""What is read of moto's books."""

from __future__ import annotations

import base64
import gzip
from types import SimpleNamespace as Thing

import pytest

from sandbox.api.books import (
    eips_of,
    groups_of,
    instance_id_of,
    instance_of,
    interfaces_of,
    rules_of,
    text_of,
    user_data_of,
)
from sandbox.api.firewall import IngressRule


def test_an_address_leads_to_an_instance_directly_or_by_an_interface() -> None:
    machine = object()
    assert instance_of(Thing(instance=machine, eni=None)) is machine
    assert instance_of(Thing(instance=None, eni=Thing(instance=machine))) is machine
    assert instance_of(Thing(instance=None, eni=Thing(instance=None))) is None
    assert instance_of(Thing(instance=None, eni=None)) is None


def test_an_address_of_an_interface_names_the_instance_behind_it() -> None:
    machine = Thing(id="i-1", ec2_backend=Thing(addresses=[]))
    eip = Thing(instance=None, eni=Thing(instance=machine))
    free = Thing(instance=None, eni=Thing(instance=None))
    machine.ec2_backend.addresses = [eip, free]
    assert (instance_id_of(eip), instance_id_of(free)) == ("i-1", "")
    assert eips_of(machine) == [eip]


def test_an_interface_that_another_instance_has_now_is_not_the_former_ones() -> None:
    former = Thing(nics={})
    former.nics = {0: Thing(instance=Thing()), 1: Thing(instance=former)}
    assert interfaces_of(former) == [former.nics[1]]


def test_the_rules_are_those_of_all_groups() -> None:
    def rule(port: int, cidr: str | None, group: str | None = None) -> Thing:
        return Thing(
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr,
            source_group={"GroupId": group} if group else {},
        )

    groups = [
        Thing(ingress_rules=[rule(22, "192.0.2.0/24")]),
        Thing(ingress_rules=[rule(80, None), rule(2377, None, "sg-1")]),
    ]
    assert list(rules_of(Thing(security_groups=groups))) == [
        IngressRule(protocol="tcp", from_port=22, to_port=22, cidr="192.0.2.0/24"),
        IngressRule(protocol="tcp", from_port=80, to_port=80, cidr=""),
        IngressRule(protocol="tcp", from_port=2377, to_port=2377, cidr="", group="sg-1"),
    ]


def test_the_groups_of_an_instance_are_told_by_their_ids() -> None:
    assert list(groups_of(Thing(security_groups=[Thing(id="sg-1"), Thing(id="sg-2")]))) == [
        "sg-1",
        "sg-2",
    ]


@pytest.mark.parametrize(
    "data", [b"#cloud-config\n", gzip.compress(b"#cloud-config\n", mtime=0), b""]
)
def test_user_data_is_what_was_given(data: bytes) -> None:
    given = base64.b64encode(data).decode() or None
    assert user_data_of(Thing(user_data=given)) == data


def test_a_public_key_is_text() -> None:
    assert text_of(b"ssh-ed25519 AAAA") == text_of("ssh-ed25519 AAAA") == "ssh-ed25519 AAAA"
