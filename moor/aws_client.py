"""AWS's own API, asked with what the settings say: region, profile, role, or the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from moor.failure import CommandError
from sandbox.credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.settings import Settings


def ec2(settings: Settings, sandbox_credentials: Path) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of EC2.

    Args:
        settings: The environment's settings.
        sandbox_credentials: The file of the sandbox's key, where the settings have a sandbox.

    Raises:
        CommandError: The sandbox's key cannot be read.
    """
    aws, sandbox = settings.aws, settings.sandbox
    if sandbox is not None:
        key = Credentials.read(sandbox_credentials)
        if key is None:
            msg = (
                f"{sandbox_credentials}: must be the key of a sandbox that runs, got none that can "
                "be read; run make up"
            )
            raise CommandError(msg)
        return boto3.client(
            "ec2",
            region_name=aws.region,
            endpoint_url=sandbox.endpoint_url,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
        )
    session = boto3.Session(profile_name=aws.profile, region_name=aws.region)
    if aws.role_arn is None:
        return session.client("ec2")
    role = session.client("sts").assume_role(RoleArn=aws.role_arn, RoleSessionName="moor")
    keys = role["Credentials"]
    return session.client(
        "ec2",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
