"""AWS's own API, asked with what the settings say: region, profile, role, or the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.aws import client
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
    return _client("ec2", settings.aws.region, settings, sandbox_credentials)


def s3(settings: Settings, sandbox_credentials: Path) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of S3, in the region of the state's bucket.

    Args:
        settings: The environment's settings, whose state is in S3.
        sandbox_credentials: The file of the sandbox's key, where the settings have a sandbox.

    Raises:
        CommandError: The sandbox's key cannot be read.
    """
    bucket = settings.state.s3
    region = settings.aws.region if bucket is None else bucket.region
    return _client("s3", region, settings, sandbox_credentials)


def sts(settings: Settings, sandbox_credentials: Path) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of STS, which tells whose key it is.

    Args:
        settings: The environment's settings.
        sandbox_credentials: The file of the sandbox's key, where the settings have a sandbox.

    Raises:
        CommandError: The sandbox's key cannot be read.
    """
    return _client("sts", settings.aws.region, settings, sandbox_credentials)


def _client(service: str, region: str, settings: Settings, sandbox_credentials: Path) -> Any:  # noqa: ANN401  (boto3 has no types)
    aws, sandbox = settings.aws, settings.sandbox
    if sandbox is None:
        return client.client(service, region=region, profile=aws.profile, role_arn=aws.role_arn)
    key = Credentials.read(sandbox_credentials)
    if key is None:
        msg = (
            f"{sandbox_credentials}: must be the key of a sandbox that runs, got none that can "
            "be read; run make up"
        )
        raise CommandError(msg)
    keys = key.access_key, key.secret_key
    return client.client(service, region=region, endpoint_url=sandbox.endpoint_url, keys=keys)
