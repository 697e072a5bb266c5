"""What the emulated IAM allows: requests that boto3 makes, and policies that moto keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from sandbox.api.permissions import Permissions, permissions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "123456789012"
OURS = "MOORTESTTESTTESTTEST"


def request(
    service: str, key: str = OURS, method: str = "POST", path: str = "/", **fields: str
) -> tuple[dict[str, Any], bytes]:
    credential = f"AWS4-HMAC-SHA256 Credential={key}/20261124/eu-central-1/{service}/aws4_request"
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_AUTHORIZATION": f"{credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    }
    return environ, urlencode(fields).encode()


@pytest.fixture
def user() -> Iterator[tuple[Any, str]]:
    """Make a user of the emulated IAM. Yields moto's backend, and the user's access key."""
    from moto.iam.models import iam_backends  # noqa: PLC0415  # reads the environment

    backend = iam_backends[ACCOUNT]["aws"]
    backend.create_user("us-east-1", "limited")
    key = backend.create_access_key(user_name="limited")
    yield backend, key.access_key_id
    backend.reset()


def allow(backend: Any, effect: str, *actions: str) -> None:  # noqa: ANN401  # of moto
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    backend.put_user_policy("limited", effect, json.dumps(document))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (request("ec2", Action="DescribeVpcs"), ("ec2:DescribeVpcs",)),
        (
            request("ec2", Action="RunInstances", **{"TagSpecification.1.Tag.1.Key": "a"}),
            ("ec2:RunInstances", "ec2:CreateTags"),
        ),
        (request("s3", method="GET", path="/states"), ("s3:ListBucket",)),
        (request("s3", method="GET", path="/states/moor/aws.tfstate"), ("s3:GetObject",)),
        (request("s3", method="PUT", path="/states/moor/aws.tfstate"), ("s3:PutObject",)),
        (request("s3", method="DELETE", path="/states/moor/a.tflock"), ("s3:DeleteObject",)),
        (request("s3", method="GET"), ("s3:ListAllMyBuckets",)),
        (request("ec2"), ()),
        (({"REQUEST_METHOD": "GET"}, b""), ()),
    ],
)
def test_a_request_has_its_names_in_iam(
    asked: tuple[dict[str, Any], bytes], names: tuple[str, ...]
) -> None:
    assert permissions_of(*asked) == names


def test_the_sandboxs_own_key_may_do_everything() -> None:
    permissions = Permissions()
    assert permissions.refuse(*request("ec2", Action="DescribeVpcs")) is None
    assert permissions.asked == ["ec2:DescribeVpcs"]


def test_a_user_may_do_what_a_policy_allows_and_no_more(user: tuple[Any, str]) -> None:
    backend, key = user
    permissions = Permissions()
    asked = request("ec2", key, Action="DescribeVpcs")
    refusal = permissions.refuse(*asked)
    assert refusal is not None
    assert (refusal.status, refusal.code) == ("403 Forbidden", "UnauthorizedOperation")
    assert b"policies must allow ec2:DescribeVpcs<" in refusal.body
    allow(backend, "Allow", "ec2:DescribeVpcs")
    assert permissions.refuse(*asked) is None
    assert permissions.refuse(*request("sts", key, Action="GetCallerIdentity")) is None
    refusal = permissions.refuse(*request("s3", key, "PUT", "/bucket/key"))
    assert refusal is not None
    assert refusal.code == "AccessDenied"
    allow(backend, "Deny", "ec2:DescribeVpcs")
    assert permissions.refuse(*asked) is not None


def test_what_is_born_with_tags_needs_the_permission_to_tag(user: tuple[Any, str]) -> None:
    backend, key = user
    allow(backend, "Allow", "ec2:AllocateAddress")
    tags = {"TagSpecification.1.Tag.1.Key": "project"}
    refusal = Permissions().refuse(*request("ec2", key, Action="AllocateAddress", **tags))
    assert refusal is not None
    assert b"ec2:CreateTags" in refusal.body


def test_a_policy_that_is_attached_counts_as_one_of_the_users_own(user: tuple[Any, str]) -> None:
    backend, key = user
    statement = {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}
    policy = backend.create_policy(
        "", "/", json.dumps({"Version": "2012-10-17", "Statement": [statement]}), "shared", {}
    )
    asked = request("ec2", key, Action="DescribeVpcs")
    assert Permissions().refuse(*asked) is not None
    backend.attach_user_policy(policy.arn, "limited")
    assert Permissions().refuse(*asked) is None
