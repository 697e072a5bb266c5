"""What is read of moto's books."""

from __future__ import annotations

import base64
import gzip
from types import SimpleNamespace as Thing

import pytest

from sandbox.api.books import groups_of, instance_of, rules_of, text_of, user_data_of
from sandbox.api.firewall import IngressRule


def test_an_address_leads_to_an_instance_directly_or_by_an_interface() -> None:
    machine = object()
    assert instance_of(Thing(instance=machine, eni=None)) is machine
    assert instance_of(Thing(instance=None, eni=Thing(instance=machine))) is machine
    assert instance_of(Thing(instance=None, eni=Thing(instance=None))) is None
    assert instance_of(Thing(instance=None, eni=None)) is None


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
