"""The IAM policy of a deployment: what it says, and that IAM reads it as meant."""

from __future__ import annotations

import json
import re

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from settings_files import document

from constructs_lib.aws.permissions import (
    BACKUPS,
    DATA_VOLUME,
    DEPLOYMENT,
    LOAD_BALANCER,
    SCHEDULE,
    STATE,
    SWARM,
    policy,
    without_conditions,
)
from constructs_lib.settings.settings import Settings

SETTINGS = Settings.model_validate(document())
S3 = {"s3": {"bucket": "states", "region": "eu-west-1", "prefix": "moor/trial"}}
WITH_S3 = Settings.model_validate({**document(), "state": S3})

EVERY = (*DEPLOYMENT, *SWARM, *DATA_VOLUME, *BACKUPS, *SCHEDULE, *LOAD_BALANCER, *STATE)


def allowed(found: dict[str, object], action: str) -> bool:
    answer = IAMPolicy(json.dumps(found)).is_action_permitted(action)
    return bool(answer is PermissionResult.PERMITTED)


def test_it_is_a_valid_policy() -> None:
    found = json.dumps(policy(WITH_S3, environment="trial"))
    IAMPolicyDocumentValidator(found).validate()
    assert len(found) < 6144  # characters without white space that a managed policy may have


def test_each_action_is_in_one_statement_and_none_is_a_pattern() -> None:
    actions = [action for one in EVERY for action in one.actions]
    assert len(set(actions)) == len(actions)
    assert [
        a
        for a in actions
        if not re.fullmatch(r"(dlm|ec2|iam|s3|elasticloadbalancing):[A-Z][A-Za-z0-9]+", a)
    ] == []
    for one in EVERY:
        assert list(one.actions) == sorted(one.actions)
        assert re.fullmatch(r"[A-Z].*\.", one.why)


def test_only_a_swarm_may_make_interfaces() -> None:
    swarm = Settings.model_validate(document(machines={"managers": 3}))
    plain, several = (policy(s, environment="trial") for s in (SETTINGS, swarm))
    for action in (action for one in SWARM for action in one.actions):
        assert not allowed(without_conditions(plain), action)
        assert allowed(without_conditions(several), action)
    IAMPolicyDocumentValidator(json.dumps(several)).validate()
    assert len(json.dumps(policy(swarm, environment="trial"))) < 6144


def test_only_a_data_volume_is_made_and_only_ones_own_is_deleted() -> None:
    with_one = Settings.model_validate(document(data_volume={"size_gib": 20}))
    plain, more = (policy(s, environment="trial") for s in (SETTINGS, with_one))
    for action in (action for one in DATA_VOLUME for action in one.actions):
        assert not allowed(without_conditions(plain), action)
        assert allowed(without_conditions(more), action)
    (own,) = [one for one in more["Statement"] if "ec2:DeleteVolume" in one["Action"]]
    assert own["Condition"]["StringEquals"]["aws:ResourceTag/environment"] == "trial"
    assert allowed(without_conditions(more), "ec2:DescribeSubnets")


def test_a_machine_of_somebody_else_cannot_be_ended() -> None:
    statements = policy(SETTINGS, environment="trial")["Statement"]
    (own,) = [one for one in statements if "ec2:TerminateInstances" in one["Action"]]
    assert own["Condition"] == {
        "StringEquals": {
            "aws:RequestedRegion": "eu-central-1",
            "aws:ResourceTag/project": "moor",
            "aws:ResourceTag/environment": "trial",
            "aws:ResourceTag/managed-by": "moor",
        }
    }
    assert all(
        one["Condition"]["StringEquals"]["aws:RequestedRegion"] == "eu-central-1"
        for one in statements
    )


def with_volume(**snapshots: object) -> Settings:
    volume = {"size_gib": 20, **({"snapshots": snapshots} if snapshots else {})}
    return Settings.model_validate(document(data_volume=volume))


def test_only_a_data_volume_is_backed_up_and_what_is_deleted_is_ours() -> None:
    plain, kept = (policy(s, environment="trial") for s in (SETTINGS, with_volume()))
    for action in (action for one in BACKUPS for action in one.actions):
        assert not allowed(without_conditions(plain), action)
        assert allowed(without_conditions(kept), action)
    (own,) = [one for one in kept["Statement"] if "ec2:DeleteSnapshot" in one["Action"]]
    assert own["Condition"]["StringEquals"]["aws:ResourceTag/environment"] == "trial"
    assert not allowed(without_conditions(kept), "dlm:CreateLifecyclePolicy")


def test_a_schedule_may_make_its_own_role_and_no_other() -> None:
    settings = with_volume(keep=7, schedule={"every_hours": 12})
    found = policy(settings, environment="trial")
    IAMPolicyDocumentValidator(json.dumps(found)).validate()
    (role,) = [one for one in found["Statement"] if "iam:PassRole" in one["Action"]]
    assert role["Resource"] == ["arn:*:iam::*:role/moor-trial-*-snapshots"]
    assert allowed(without_conditions(found), "dlm:CreateLifecyclePolicy")
    assert len(json.dumps(found)) < 6144


def test_a_state_in_s3_is_its_own_objects_only() -> None:
    plain = policy(SETTINGS, environment="trial")["Statement"]
    more = policy(WITH_S3, environment="trial")["Statement"][len(plain) :]
    assert [(one["Action"], one["Resource"]) for one in more] == [
        (["s3:ListBucket"], ["arn:aws:s3:::states"]),
        (
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            ["arn:aws:s3:::states/moor/trial/*"],
        ),
    ]


@pytest.mark.parametrize("action", [a for one in (*DEPLOYMENT, *STATE) for a in one.actions])
def test_iam_allows_what_it_names(action: str) -> None:
    assert allowed(without_conditions(policy(WITH_S3, environment="trial")), action)


@pytest.mark.parametrize(
    "action",
    ["ec2:CreateVpc", "ec2:DeleteVolume", "iam:CreateUser", "s3:DeleteBucket", "sts:AssumeRole"],
)
def test_iam_allows_nothing_else(action: str) -> None:
    assert not allowed(without_conditions(policy(WITH_S3, environment="trial")), action)
