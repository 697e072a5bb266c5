"""AWS's own API, asked with what the settings say: region, profile, role, or the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.aws import client

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
    if sandbox is None:
        return client.ec2(region=aws.region, profile=aws.profile, role_arn=aws.role_arn)
    keys = variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
    return client.ec2(region=aws.region, endpoint_url=sandbox.endpoint_url, keys=keys)
