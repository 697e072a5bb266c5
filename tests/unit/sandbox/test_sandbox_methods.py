"""What fails behind moto is told as EC2 tells it."""

from __future__ import annotations

from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from docker.errors import DockerException
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.security_groups import SecurityGroupRule

from sandbox.api.methods import description_of, with_ports, wrapped
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable


def original(backend: object, number: int) -> tuple[object, int]:
    """Stand for a method of moto."""
    return backend, number


def test_the_replacement_gets_the_original_and_the_calls_own_arguments() -> None:
    def replacement(usual: Callable[[object, int], object], backend: object, number: int) -> object:
        return usual(backend, number + 1)

    method = wrapped("original", original, replacement)
    assert method("backend", 1) == ("backend", 2)
    assert method.__name__ == "original"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SandboxError("must boot"), "must boot"),
        (DockerException("gone"), "docker engine: original must succeed, got gone"),
    ],
)
def test_a_failure_is_one_that_is_not_tried_again(error: Exception, message: str) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    with pytest.raises(EC2ClientError) as caught:
        wrapped("original", original, fail)("backend", 1)
    assert (caught.value.code, caught.value.message) == ("MoorSandboxFailure", message)


def test_any_other_error_is_a_mistake_of_ours() -> None:
    def fail(*_: object) -> NoReturn:
        raise KeyError("x")

    with pytest.raises(KeyError):
        wrapped("original", original, fail)("backend", 1)


@pytest.mark.parametrize(
    ("protocol", "ports", "expected"),
    [
        ("50", (None, None), ("50", -1, -1)),
        ("icmp", (None, None), ("icmp", -1, -1)),
        ("icmp", ("8", None), ("icmp", 8, -1)),
        ("-1", (None, None), ("-1", None, None)),
        ("tcp", ("22", "23"), ("tcp", 22, 23)),
    ],
)
def test_a_rule_of_a_protocol_without_ports_is_one(
    protocol: str,
    ports: tuple[str | None, str | None],
    expected: tuple[str, int | None, int | None],
) -> None:
    rule: Any = SecurityGroupRule.__new__(SecurityGroupRule)
    make = with_ports(SecurityGroupRule.__init__)
    make(rule, Thing(tags={}), protocol, "sg-1", *ports, None, tags={})
    assert (rule.ip_protocol, rule.from_port, rule.to_port) == expected


def test_tcp_without_ports_is_refused_as_ec2_does() -> None:
    make = with_ports(SecurityGroupRule.__init__)
    with pytest.raises(EC2ClientError) as caught:
        make(object(), object(), "tcp", "sg-1", None, None, None)
    assert caught.value.code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("ip_range", "source_group", "expected"),
    [
        ({"CidrIp": "10.0.0.0/8", "Description": "a network"}, {}, "a network"),
        ({}, {"GroupId": "sg-1", "Description": "a group"}, "a group"),
        (None, {"GroupId": "sg-1"}, None),
        ({"CidrIp": "10.0.0.0/8"}, None, None),
    ],
)
def test_a_rule_tells_its_description_whatever_its_source_is(
    ip_range: dict[str, str] | None, source_group: dict[str, str] | None, expected: str | None
) -> None:
    assert description_of(Thing(ip_range=ip_range, source_group=source_group)) == expected
