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
    return service("ec2", settings, sandbox_credentials)


def service(
    name: str, settings: Settings, sandbox_credentials: Path, *, region: str | None = None
) -> Any:  # noqa: ANN401  (boto3 has no types)
    """Return a client of one of AWS's services.

    Args:
        name: The service, in boto3's word.
        settings: The environment's settings.
        sandbox_credentials: The file of the sandbox's key, where the settings have a sandbox.
        region: The region; the machine's where unset.

    Raises:
        CommandError: The sandbox's key cannot be read.
    """
    aws, sandbox = settings.aws, settings.sandbox
    if sandbox is None:
        return client.service(
            name, region=region or aws.region, profile=aws.profile, role_arn=aws.role_arn
        )
    key = Credentials.read(sandbox_credentials)
    if key is None:
        msg = (
            f"{sandbox_credentials}: must be the key of a sandbox that runs, got none that can "
            "be read; run make up"
        )
        raise CommandError(msg)
    keys = key.access_key, key.secret_key
    return client.service(
        name, region=region or aws.region, endpoint_url=sandbox.endpoint_url, keys=keys
    )
