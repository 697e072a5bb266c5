"""`moor permissions`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from constructs_lib.aws import permissions

if TYPE_CHECKING:
    from moor.session import Session


def run(session: Session) -> None:
    """Print the smallest IAM policy that a deployment works with, as JSON for AWS.

    See docs/iam.md for what each statement is for.
    """
    document = permissions.policy(session.settings, environment=session.environment.name)
    typer.echo(json.dumps(document, indent=2))
