"""AWS's own API, asked with what the settings say: region, profile, role, or an emulated AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def ec2(
    *,
    region: str,
    profile: str | None = None,
    role_arn: str | None = None,
    endpoint_url: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of EC2.

    Args:
        region: The AWS region.
        profile: A profile of `~/.aws/config`; the standard AWS chain where unset.
        role_arn: A role to assume.
        endpoint_url: An emulated AWS API to use instead of AWS.
        variables: The environment variables with an emulated AWS's keys; this process's own
            where unset.
    """
    # Imported here: it takes half a second, and most deployments need not ask.
    import boto3  # noqa: PLC0415

    if endpoint_url is not None:
        keys = {} if variables is None else variables
        return boto3.client(
            "ec2",
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=keys.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY"),
        )
    session = boto3.Session(profile_name=profile, region_name=region)
    if role_arn is None:
        return session.client("ec2")
    role = session.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="moor")
    keys = role["Credentials"]
    return session.client(
        "ec2",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
