# ruff: noqa: ANN401  # moto's backends, instances and addresses have no usable types
"""Reading moto's books: what of its objects the sandbox needs, and nothing that changes them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from sandbox.api.firewall import IngressRule
from sandbox.api.signature import Secret

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


def instance_id_of(eip: Any) -> str:
    """Return the id of the instance that an Elastic IP leads to; empty where there is none."""
    instance = instance_of(eip)
    return "" if instance is None else str(instance.id)


def eips_of(instance: Any) -> list[Any]:
    """Return the Elastic IPs that lead to an instance."""
    return [eip for eip in instance.ec2_backend.addresses if instance_of(eip) is instance]


def interfaces_of(instance: Any) -> list[Any]:
    """Return the network interfaces of an instance; of one that has ended, none of another's."""
    return [nic for nic in instance.nics.values() if nic.instance is instance]


def rules_of(instance: Any) -> Iterator[IngressRule]:
    """Yield what the groups of an instance let in."""
    for group in instance.security_groups:
        for rule in group.ingress_rules:
            yield IngressRule(
                protocol=str(rule.ip_protocol),
                from_port=rule.from_port,
                to_port=rule.to_port,
                cidr=rule.cidr_ipv4 or "",
                group=rule.source_group.get("GroupId", ""),
            )


def groups_of(instance: Any) -> Iterator[str]:
    """Yield the ids of the groups of an instance."""
    for group in instance.security_groups:
        yield str(group.id)


def issued_secret(access_key: str) -> Secret | None:
    """Return what an access key stands for that the emulated IAM or STS issued; or None."""
    from moto.iam.models import iam_backends  # noqa: PLC0415  # reads the environment
    from moto.sts.models import sts_backends  # noqa: PLC0415

    for sts in (b for account in list(sts_backends.values()) for b in list(account.values())):
        for role in list(sts.assumed_roles):
            if role.access_key_id == access_key:
                return Secret(key=role.secret_access_key, token=role.session_token)
    for iam in (b for account in list(iam_backends.values()) for b in list(account.values())):
        for user in list(iam.users.values()):
            for key in list(user.access_keys):
                if key.access_key_id == access_key and key.status == "Active":
                    return Secret(key=key.secret_access_key)
    return None


def policies_of(access_key: str) -> list[str] | None:
    """Return the policies of whom an access key was issued to, as JSON; None where it was not."""
    from moto.iam.access_control import (  # noqa: PLC0415  # reads the environment
        CreateAccessKeyFailure,
        create_access_key,
    )
    from moto.iam.models import iam_backends  # noqa: PLC0415
    from moto.sts.models import sts_backends  # noqa: PLC0415

    secret = issued_secret(access_key)
    if secret is None:
        return None
    headers = {"X-Amz-Security-Token": secret.token} if secret.token else {}
    accounts = {*iam_backends, *sts_backends}
    for account in accounts:
        for partition in list(iam_backends[account]):
            try:
                found = create_access_key(account, partition, access_key, headers)
            except CreateAccessKeyFailure:
                continue
            return [_document_of(policy) for policy in found.collect_policies()]
    return []


def _document_of(policy: Any) -> str:
    """Return a policy as JSON: moto keeps one that is attached as an object of its own."""
    if isinstance(policy, str):
        return policy
    if isinstance(policy, dict):
        return str(policy["policy_document"])
    return str(next(v.document for v in policy.versions if v.is_default))


def user_data_of(instance: Any) -> bytes:
    """Return user data as bytes; gzip is not text, so moto's own decoding will not do."""
    return base64.b64decode(str(instance.user_data)) if instance.user_data else b""


def text_of(value: bytes | str) -> str:
    """Return a key pair's public key as text: moto keeps an imported one as bytes."""
    return value.decode() if isinstance(value, bytes) else value
