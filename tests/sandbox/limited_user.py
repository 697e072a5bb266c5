"""A user of the sandbox's IAM who may do what one policy says, and nothing else."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from trial_sandbox import client

from sandbox.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.settings.environment import Environment
    from sandbox.lifecycle import Sandbox


@contextlib.contextmanager
def limited_user(
    environment: Environment, sandbox: Sandbox, document: dict[str, Any]
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Let deployments ask AWS as a user who has one policy, and nothing else.

    Args:
        environment: The environment that is deployed.
        sandbox: Its sandbox, which runs.
        document: The policy.

    Yields:
        What gives the user another policy instead.
    """
    file = environment.sandbox_credentials
    own = Credentials.read(file)
    assert own is not None
    iam = client(sandbox, "iam")
    iam.create_user(UserName="limited")

    def allow(document: dict[str, Any]) -> None:
        text = json.dumps(document)
        iam.put_user_policy(UserName="limited", PolicyName="only", PolicyDocument=text)

    allow(document)
    key = iam.create_access_key(UserName="limited")["AccessKey"]
    Credentials(access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]).write(file)
    try:
        yield allow
    finally:
        own.write(file)
