"""Snapshots that AWS takes by itself: plan-tested, since no emulator has the service."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from synthesis import Json, counts, synth_of

from constructs_lib.aws.snapshot_policy import SnapshotPolicy, SnapshotSchedule


def synth(**changes: Any) -> Json:  # noqa: ANN401
    schedule = SnapshotSchedule(**{"every_hours": 12, "at": "03:00", "keep": 7, **changes})
    return synth_of(
        lambda stack: SnapshotPolicy(stack, "Snapshots", name="moor-trial-data", schedule=schedule)
    )


def test_it_is_exactly_this() -> None:
    found = synth()
    assert counts(found) == {
        "aws_dlm_lifecycle_policy": 1,
        "aws_iam_role": 1,
        "aws_iam_role_policy": 1,
    }
    assert found["resource"]["aws_dlm_lifecycle_policy"] == {
        "Snapshots": {
            "description": "snapshots of moor-trial-data",
            "execution_role_arn": "${aws_iam_role.Snapshots_Role.arn}",
            "state": "ENABLED",
            "policy_details": {
                "resource_types": ["VOLUME"],
                "target_tags": {"snapshot-schedule": "moor-trial-data"},
                "schedule": [
                    {
                        "name": "every 12 hours",
                        "copy_tags": True,
                        "create_rule": {
                            "interval": 12,
                            "interval_unit": "HOURS",
                            "times": ["03:00"],
                        },
                        "retain_rule": {"count": 7},
                    }
                ],
            },
            "depends_on": ["aws_iam_role_policy.Snapshots_Rights"],
        }
    }


def test_only_the_service_has_the_role_and_it_deletes_no_volume() -> None:
    resources = synth()["resource"]
    trust = json.loads(resources["aws_iam_role"]["Snapshots_Role"]["assume_role_policy"])
    assert [one["Principal"] for one in trust["Statement"]] == [{"Service": "dlm.amazonaws.com"}]
    rights = json.loads(resources["aws_iam_role_policy"]["Snapshots_Rights"]["policy"])
    assert [action for one in rights["Statement"] for action in one["Action"]] == [
        "ec2:CreateSnapshot",
        "ec2:CreateSnapshots",
        "ec2:CreateTags",
        "ec2:DeleteSnapshot",
        "ec2:DescribeInstances",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
    ]


def test_an_age_counts_where_no_number_does() -> None:
    (policy,) = synth(keep=None, keep_days=30)["resource"]["aws_dlm_lifecycle_policy"].values()
    (schedule,) = policy["policy_details"]["schedule"]
    assert schedule["retain_rule"] == {"interval": 30, "interval_unit": "DAYS"}


def test_it_fails_when_nobody_lets_the_snapshots_go() -> None:
    text = "snapshot schedule: keep: must be set, or keep_days, got neither"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        SnapshotSchedule(every_hours=24, at="03:00")
