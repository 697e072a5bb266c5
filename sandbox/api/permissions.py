"""What the users of the emulated IAM may do.

moto keeps users, roles and their policies, and knows what a policy says; it is asked here, before
the request goes on to it. The sandbox's own key is the account's: it may do everything. Conditions
and resources are not looked at, which moto does not know either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from sandbox.api.books import policies_of
from sandbox.api.signature import claim_of, denial

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from sandbox.api.signature import Refusal

_OF_OBJECTS: Final = {
    "DELETE": "DeleteObject",
    "GET": "GetObject",
    "HEAD": "GetObject",
    "POST": "PutObject",
    "PUT": "PutObject",
}
_OF_BUCKETS: Final = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket"}

_FOR_ALL: Final = frozenset({"sts:GetCallerIdentity"})
"""What needs no permission (Source: AWS Security Token Service API Reference)."""


class Permissions:
    """Notes what is asked for, and refuses users what no policy of theirs allows."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    @property
    def asked(self) -> list[str]:
        """All permissions that were needed so far, sorted."""
        return sorted(self._asked)

    def refuse(self, environ: WSGIEnvironment, body: bytes) -> Refusal | None:
        """Refuse a request that its sender has no permission for.

        Args:
            environ: A request whose signature is good.
            body: What it carries.
        """
        needed = permissions_of(environ, body)
        self._asked.update(needed)
        claim = claim_of(environ)
        policies = policies_of(claim.access_key) if claim else None
        if policies is None:
            return None
        missing = [name for name in needed if not _is_allowed(name, policies)]
        return denial(environ, missing[0]) if missing else None


def permissions_of(environ: WSGIEnvironment, body: bytes) -> tuple[str, ...]:
    """Return what IAM calls that which a request asks for.

    Args:
        environ: The request.
        body: What it carries.

    Returns:
        Services and actions, such as `ec2:RunInstances`; none where it names none.

    Source:
        Service Authorization Reference, "Actions, resources, and condition keys" of EC2 and S3;
        EC2 User Guide, "Grant permission to tag resources during creation".
    """
    claim = claim_of(environ)
    if claim is None:
        return ()
    service = claim.service
    if service == "s3":
        bucket, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        known = _OF_OBJECTS if key else _OF_BUCKETS
        action = known.get(environ.get("REQUEST_METHOD", ""), "") if bucket else "ListAllMyBuckets"
        return (f"s3:{action}",) if action else ()
    fields = parse_qs(body.decode(errors="replace")) | parse_qs(environ.get("QUERY_STRING", ""))
    action = fields.get("Action", [""])[0]
    names = [f"{service}:{action}"] if action else []
    if service == "ec2" and any(name.startswith("TagSpecification.") for name in fields):
        names.append("ec2:CreateTags")
    return tuple(names)


def _is_allowed(permission: str, policies: list[str]) -> bool:
    from moto.iam.access_control import IAMPolicy, PermissionResult  # noqa: PLC0415  # as moto is

    answers = {IAMPolicy(policy).is_action_permitted(permission) for policy in policies}
    if PermissionResult.DENIED in answers:
        return False
    return permission in _FOR_ALL or PermissionResult.PERMITTED in answers
