"""Snapshots that AWS takes by itself: a policy of Amazon Data Lifecycle Manager, and its role."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from cdktf_cdktf_provider_aws.dlm_lifecycle_policy import (
    DlmLifecyclePolicy,
    DlmLifecyclePolicyPolicyDetails,
    DlmLifecyclePolicyPolicyDetailsSchedule,
    DlmLifecyclePolicyPolicyDetailsScheduleCreateRule,
    DlmLifecyclePolicyPolicyDetailsScheduleRetainRule,
)
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from constructs_lib.aws.limits import SCHEDULE_TAG
from constructs_lib.terraform.literal import Expression, define

_VERSION: Final = "2012-10-17"
_ACTIONS: Final = (
    "ec2:CreateSnapshot",
    "ec2:CreateSnapshots",
    "ec2:CreateTags",
    "ec2:DeleteSnapshot",
    "ec2:DescribeInstances",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes",
)
"""What the service does for us (Source: Amazon EBS User Guide, "AWSDataLifecycleManagerServiceRole"
and its policy, as far as snapshots of volumes in one account need it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSchedule:
    """When snapshots are taken, and how long they are kept.

    Attributes:
        every_hours: How many hours are between two, 12 or 24.
        at: When the first of a day is taken, in UTC: `HH:MM`.
        keep: How many are kept, 1 to 1000; or else
        keep_days: for how many days each is kept, 1 to 36500.

    Raises:
        ValueError: Neither is set.
    """

    every_hours: int
    at: str
    keep: int | None = None
    keep_days: int | None = None

    def __post_init__(self) -> None:
        """Refuse a schedule whose snapshots nobody ever lets go."""
        if self.keep is None and self.keep_days is None:
            raise ValueError("snapshot schedule: keep: must be set, or keep_days, got neither")


class SnapshotPolicy(Construct):
    """A policy for one volume, which is found by its tag.

    AWS takes any volume for its own that has one of the tags: so it is one tag, which no other
    volume has. The snapshots get the volume's tags, by which they are known as the environment's.

    Attributes:
        resource: The policy.
    """

    def __init__(
        self, scope: Construct, id_: str, *, name: str, schedule: SnapshotSchedule
    ) -> None:
        """Define the policy, and the role that the service has for it.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            name: The volume's name, which is the tag's value.
            schedule: When, and how long.
        """
        super().__init__(scope, id_)
        trust = {
            "Version": _VERSION,
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "dlm.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        role = define(
            IamRole,
            self,
            "Role",
            name=f"{name}-snapshots",
            description=f"Data Lifecycle Manager: snapshots of {name}",
            assume_role_policy=json.dumps(trust),
        )
        rights = {
            "Version": _VERSION,
            "Statement": [{"Effect": "Allow", "Action": list(_ACTIONS), "Resource": "*"}],
        }
        policy = define(
            IamRolePolicy,
            self,
            "Rights",
            role=Expression(role.id),
            name="snapshots",
            policy=json.dumps(rights),
        )
        self.resource = define(
            DlmLifecyclePolicy,
            self,
            "Resource",
            description=f"snapshots of {name}",
            execution_role_arn=Expression(role.arn),
            state="ENABLED",
            policy_details=define(
                DlmLifecyclePolicyPolicyDetails,
                resource_types=["VOLUME"],
                target_tags={SCHEDULE_TAG: name},
                schedule=[
                    define(
                        DlmLifecyclePolicyPolicyDetailsSchedule,
                        name=f"every {schedule.every_hours} hours",
                        copy_tags=True,
                        create_rule=define(
                            DlmLifecyclePolicyPolicyDetailsScheduleCreateRule,
                            interval=schedule.every_hours,
                            interval_unit="HOURS",
                            times=[schedule.at],
                        ),
                        retain_rule=_retain_rule(schedule),
                    )
                ],
            ),
            depends_on=[policy],
        )


def _retain_rule(
    schedule: SnapshotSchedule,
) -> DlmLifecyclePolicyPolicyDetailsScheduleRetainRule:
    """Return how long snapshots are kept: AWS takes a number or an age, and not both."""
    if schedule.keep is not None:
        return define(DlmLifecyclePolicyPolicyDetailsScheduleRetainRule, count=schedule.keep)
    return define(
        DlmLifecyclePolicyPolicyDetailsScheduleRetainRule,
        interval=schedule.keep_days,
        interval_unit="DAYS",
    )
