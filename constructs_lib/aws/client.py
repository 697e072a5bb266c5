"""AWS's own API, asked with what the settings say: region, profile, role, or an emulated AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def ec2(
    *,
    region: str,
    profile: str | None = None,
    role_arn: str | None = None,
    endpoint_url: str | None = None,
    credentials: Path | None = None,
    keys: tuple[str, str] | None = None,
) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of EC2; see `client` for the arguments."""
    return client(
        "ec2",
        region=region,
        profile=profile,
        role_arn=role_arn,
        endpoint_url=endpoint_url,
        credentials=credentials,
        keys=keys,
    )


def client(
    service: str,
    *,
    region: str,
    profile: str | None = None,
    role_arn: str | None = None,
    endpoint_url: str | None = None,
    credentials: Path | None = None,
    keys: tuple[str, str] | None = None,
) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of one of AWS's services.

    Args:
        service: Its name in AWS's programs, such as `s3`.
        region: The AWS region.
        profile: A profile of `~/.aws/config`; the standard AWS chain where unset.
        role_arn: A role to assume.
        endpoint_url: An emulated AWS API to use instead of AWS; it knows no role.
        credentials: The file that has the profile's keys, instead of the user's own.
        keys: The access key and its secret, instead of all these.
    """
    # Imported here: they take half a second, and most deployments need not ask.
    import boto3  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    core = botocore.session.Session()
    if credentials is not None:
        core.set_config_variable("credentials_file", str(credentials))
    access_key, secret = keys if keys is not None else (None, None)
    session = boto3.Session(
        botocore_session=core,
        profile_name=profile,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
    )
    if role_arn is None or endpoint_url is not None:
        return session.client(service, endpoint_url=endpoint_url)
    role = session.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="moor")
    found = role["Credentials"]
    return session.client(
        service,
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )
