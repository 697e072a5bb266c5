"""The client of EC2: where it asks, as whom, and that an emulated AWS gets its own keys only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ProfileNotFound

from constructs_lib.aws.client import ec2

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/deploy"


@pytest.fixture(autouse=True)
def _own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "mine"),
        ("AWS_SECRET_ACCESS_KEY", "my-secret"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def access_key(client: Any) -> str:  # noqa: ANN401  (boto3 has no types)
    return str(client._request_signer._credentials.access_key)


def test_the_standard_chain_asks_aws() -> None:
    client = ec2(region="eu-west-1")
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.endpoint_url.startswith("https://ec2.eu-west-1.")
    assert access_key(client) == "mine"


def test_an_emulated_aws_gets_its_own_keys(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    client = ec2(region="eu-west-1", endpoint_url=url, keys=("its", "secret"))
    assert client.meta.endpoint_url == url
    assert access_key(client) == "its"
    # Or those of a file of its own, whatever the user's are.
    file = tmp_path / "credentials"
    file.write_text("[there]\naws_access_key_id = its\naws_secret_access_key = secret\n")
    client = ec2(region="eu-west-1", endpoint_url=url, profile="there", credentials=file)
    assert access_key(client) == "its"
    # A step of Terraform may have them in its environment; a role is AWS's own.
    assert access_key(ec2(region="eu-west-1", endpoint_url=url, role_arn=ROLE)) == "mine"


def test_a_profile_that_is_not_there_is_no_other() -> None:
    with pytest.raises(ProfileNotFound):
        ec2(region="eu-west-1", profile="work")


def test_a_role_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []

    class Sts:
        def assume_role(self, **words: str) -> dict[str, dict[str, str]]:
            asked.append(words)
            keys = {"AccessKeyId": "roles", "SecretAccessKey": "s", "SessionToken": "t"}
            return {"Credentials": keys}

    real = boto3.Session.client

    def client(self: boto3.Session, name: str, **words: Any) -> Any:  # noqa: ANN401  (boto3's own)
        return Sts() if name == "sts" else real(self, name, **words)

    monkeypatch.setattr(boto3.Session, "client", client)
    assert access_key(ec2(region="eu-west-1", role_arn=ROLE)) == "roles"
    assert asked == [{"RoleArn": ROLE, "RoleSessionName": "moor"}]
