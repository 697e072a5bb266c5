"""The page of what a deployment may do in AWS, written from the statements.

`python -m constructs_lib.aws.permissions_page > docs/iam.md` writes it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.aws.permissions import (
    BACKUPS,
    DATA_VOLUME,
    DEPLOYMENT,
    LOAD_BALANCER,
    SCHEDULE,
    STATE,
    SWARM,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


_HEAD: Final = """\
# What a deployment may do in AWS

Written by `python -m constructs_lib.aws.permissions_page > docs/iam.md`; do not edit.

`moor permissions` prints the smallest IAM policy for an environment, with its region, its tags
and its bucket:

    moor --environment production permissions > policy.json
    aws iam create-policy --policy-name moor-production --policy-document file://policy.json

Attach it to the user or the role that deploys, and give that one nothing else. The actions are
those that deployments, changes and destructions asked for in the sandbox; a test deploys there as
a user who has this policy and nothing else, and sees that each statement is needed. What only AWS
itself can show are the conditions, which the sandbox leaves out.

The machine has no role: nothing on it may ask AWS for anything. Where the account encrypts
volumes with a key of its own by default, rather than with AWS's, that key's policy has to let the
deployment use it.
"""


def page() -> str:
    """Return the page, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "| statement | what for | actions |"
    yield "| --- | --- | --- |"
    for one in (
        *DEPLOYMENT,
        *SWARM,
        *DATA_VOLUME,
        *BACKUPS,
        *SCHEDULE,
        *LOAD_BALANCER,
        *STATE,
    ):
        only = " Only with a state in S3." if one.resource else ""
        if one in SWARM:
            only = " Only in a swarm."
        if one is SWARM[0]:
            only = " Only in a swarm, or with a data volume."
        if one in (*DATA_VOLUME, *BACKUPS):
            only = " Only with a data volume."
        if one in LOAD_BALANCER:
            only = " Only with a load balancer."
        if one in SCHEDULE:
            only = " Only with a schedule of snapshots, which no sandbox has."
        yield f"| `{one.sid}` | {one.why}{only} | {', '.join(f'`{a}`' for a in one.actions)} |"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  (a command's output)
