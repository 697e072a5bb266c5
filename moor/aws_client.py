"""AWS's own API, asked with what the settings say: region, profile, role, or the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.settings.settings import Settings


def ec2(settings: Settings, variables: Mapping[str, str]) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of EC2.

    Args:
        settings: The environment's settings.
        variables: The environment variables of Terraform; in a sandbox they hold its keys.
    """
    aws, sandbox = settings.aws, settings.sandbox
    if sandbox is not None:
        return boto3.client(
            "ec2",
            region_name=aws.region,
            endpoint_url=sandbox.endpoint_url,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
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
