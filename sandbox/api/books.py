# ruff: noqa: ANN401  # moto's backends, instances and addresses have no usable types
"""Reading moto's books: what of its objects the sandbox needs, and nothing that changes them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from sandbox.api.firewall import IngressRule

if TYPE_CHECKING:
    from collections.abc import Iterator


def backends() -> Iterator[Any]:
    """Yield moto's EC2 backends: one for each region that was used, of each account."""
    from moto.ec2.models import ec2_backends  # noqa: PLC0415  # reads the environment

    for account in list(ec2_backends.values()):
        yield from list(account.values())


def instance_of(eip: Any) -> Any | None:
    """Return the instance that an Elastic IP leads to, directly or by an interface; or None."""
    if eip.instance is not None:
        return eip.instance
    return eip.eni.instance if eip.eni is not None else None


def rules_of(instance: Any) -> Iterator[IngressRule]:
    """Yield what the groups of an instance let in."""
    for group in instance.security_groups:
        for rule in group.ingress_rules:
            yield IngressRule(
                protocol=str(rule.ip_protocol),
                from_port=rule.from_port,
                to_port=rule.to_port,
                cidr=rule.cidr_ipv4 or "",
            )


def user_data_of(instance: Any) -> bytes:
    """Return user data as bytes; gzip is not text, so moto's own decoding will not do."""
    return base64.b64decode(str(instance.user_data)) if instance.user_data else b""


def text_of(value: bytes | str) -> str:
    """Return a key pair's public key as text: moto keeps an imported one as bytes."""
    return value.decode() if isinstance(value, bytes) else value
