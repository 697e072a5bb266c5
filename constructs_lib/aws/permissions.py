"""What a deployment may do in AWS: the smallest IAM policy that it works with.

The actions are those that deployments, changes and destructions were seen to ask for in the
sandbox, whose emulated AWS refuses what this policy does not allow; a test deploys as a user who
has nothing else. What Moor asks by itself, such as the machine's console output, is among them.

IAM looks at conditions that the emulator does not know: the region, and the tags that tell one
environment's machine from all others.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2",
and for Amazon S3; Terraform's documentation of the backend "s3", "Permissions required".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.tags import environment_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs_lib.settings.settings import Settings

VERSION: Final = "2012-10-17"
"""The version of the policy language (Source: IAM User Guide, "Version")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Actions that are allowed together, for one reason.

    Attributes:
        sid: Its name in the policy.
        why: What they are for, as one sentence.
        actions: Actions of IAM, such as `ec2:RunInstances`.
        own: Whether they are for what bears the environment's tags only.
        resource: The kind of resource of S3 that they are for: `bucket` or `object`.
        role: What the name of the roles ends with that they are for, and no others.
    """

    sid: str
    why: str
    actions: tuple[str, ...]
    own: bool = False
    resource: str = ""
    role: str = ""


DEPLOYMENT: Final = (
    Statement(
        sid="Look",
        why="Each plan compares what there is with what should be; AWS can limit these by the "
        "region only.",
        actions=(
            "ec2:DescribeAddresses",
            "ec2:DescribeAddressesAttribute",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceAttribute",
            "ec2:DescribeInstanceCreditSpecifications",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstances",
            "ec2:DescribeKeyPairs",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeTags",
            "ec2:DescribeVolumes",
            "ec2:DescribeVolumesModifications",
            "ec2:DescribeVpcs",
            "ec2:GetInstanceUefiData",
        ),
    ),
    Statement(
        sid="KnowTheMachine",
        why="The machine's console tells its SSH host keys over a path that nobody in between can "
        "change, and why a first boot went wrong.",
        actions=("ec2:GetConsoleOutput",),
    ),
    Statement(
        sid="MakeTheMachine",
        why="The instance, with its encrypted root volume, and the public half of the key that "
        "opens it.",
        actions=("ec2:ImportKeyPair", "ec2:RunInstances"),
    ),
    Statement(
        sid="ChangeTheMachine",
        why="Another instance type needs a stop, a change and a start; a larger root volume grows "
        "while it runs.",
        actions=("ec2:ModifyInstanceAttribute", "ec2:ModifyVolume"),
    ),
    Statement(
        sid="StopOwnMachines",
        why="Stopping, starting, rebooting and ending are for machines with the environment's "
        "tags, and for no others.",
        actions=(
            "ec2:RebootInstances",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
        ),
        own=True,
    ),
    Statement(
        sid="Address",
        why="The Elastic IP that the services answer on, and its way to the machine.",
        actions=(
            "ec2:AllocateAddress",
            "ec2:AssociateAddress",
            "ec2:DisassociateAddress",
            "ec2:ReleaseAddress",
        ),
    ),
    Statement(
        sid="SecurityGroups",
        why="The three security groups and their rules, which are resources of their own; a new "
        "group comes with an open way out, which is replaced by rules that can be seen.",
        actions=(
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateSecurityGroup",
            "ec2:DeleteSecurityGroup",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
        ),
    ),
    Statement(
        sid="Tags",
        why="Everything is born with the environment's tags, by which it is found again and told "
        "from what is somebody else's.",
        actions=("ec2:CreateTags",),
    ),
    Statement(
        sid="RemoveTheKey",
        why="The key pair goes with the environment.",
        actions=("ec2:DeleteKeyPair",),
    ),
)
"""What both stacks need; the Docker stack asks AWS for nothing."""

SWARM: Final = (
    Statement(
        sid="LookForSubnets",
        why="Machines stand by turns in the default network's subnets, where the settings name "
        "none.",
        actions=("ec2:DescribeSubnets",),
    ),
    Statement(
        sid="Interfaces",
        why="The network interface of each machine, whose private address outlives the machine.",
        actions=(
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DetachNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
        ),
    ),
)
"""What several machines need as well.

Source: the AWS provider, its resource `aws_network_interface` and its data source `aws_subnets`.
"""

DATA_VOLUME: Final = (
    Statement(
        sid="MakeTheDataVolume",
        why="The volume that outlives its machine, a blank one or one of a snapshot.",
        actions=("ec2:CreateVolume",),
    ),
    Statement(
        sid="OwnDataVolumes",
        why="Attaching, detaching and deleting are for volumes and machines with the environment's "
        "tags, and for no others; `moor data give-up` and `moor backup discard` alone delete one "
        "that was in use.",
        actions=("ec2:AttachVolume", "ec2:DeleteVolume", "ec2:DetachVolume"),
        own=True,
    ),
)
"""What a data volume needs as well, beside the look for subnets.

Source: the AWS provider, its resources `aws_ebs_volume` and `aws_volume_attachment`.
"""

LOAD_BALANCER: Final = (
    Statement(
        sid="LookForTheDefaultNetwork",
        why="A load balancer is made where the network leads to the internet, and AWS looks.",
        actions=(
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeVpcAttribute",
        ),
    ),
    Statement(
        sid="LoadBalancer",
        why="The load balancer, its ports, and the machines behind them.",
        actions=tuple(
            f"elasticloadbalancing:{action}"
            for action in (
                "AddTags",
                "CreateListener",
                "CreateLoadBalancer",
                "CreateTargetGroup",
                "DeleteListener",
                "DeleteLoadBalancer",
                "DeleteTargetGroup",
                "DeregisterTargets",
                "DescribeListenerAttributes",
                "DescribeListeners",
                "DescribeLoadBalancerAttributes",
                "DescribeLoadBalancers",
                "DescribeTags",
                "DescribeTargetGroupAttributes",
                "DescribeTargetGroups",
                "DescribeTargetHealth",
                "ModifyListener",
                "ModifyLoadBalancerAttributes",
                "ModifyTargetGroup",
                "ModifyTargetGroupAttributes",
                "RegisterTargets",
                "SetSecurityGroups",
                "SetSubnets",
            )
        ),
    ),
)
"""What a load balancer needs as well. In an account that never had one AWS makes a role for its own
service, too, for which somebody needs `iam:CreateServiceLinkedRole` once.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Elastic
Load Balancing V2"; the AWS provider, its resources `aws_lb` and those beside it.
"""

BACKUPS: Final = (
    Statement(
        sid="LookForSnapshots",
        why="What `moor backup ls` lists, and what each deployment lets go.",
        actions=("ec2:DescribeSnapshots",),
    ),
    Statement(
        sid="MakeSnapshots",
        why="For `moor backup create`: a snapshot of the volume, born with the environment's tags.",
        actions=("ec2:CreateSnapshot",),
    ),
    Statement(
        sid="DeleteOwnSnapshots",
        why="Those that the settings do not keep, and none without the environment's tags.",
        actions=("ec2:DeleteSnapshot",),
        own=True,
    ),
    Statement(
        sid="ExchangeOwnTags",
        why="A restore exchanges one volume for another, and a tag tells which one is in use.",
        actions=("ec2:DeleteTags",),
        own=True,
    ),
)
"""What snapshots of a data volume need as well.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2".
"""

SCHEDULE: Final = (
    Statement(
        sid="SnapshotSchedule",
        why="The policy of Data Lifecycle Manager that takes snapshots by itself.",
        actions=(
            "dlm:CreateLifecyclePolicy",
            "dlm:DeleteLifecyclePolicy",
            "dlm:GetLifecyclePolicy",
            "dlm:ListTagsForResource",
            "dlm:TagResource",
            "dlm:UntagResource",
            "dlm:UpdateLifecyclePolicy",
        ),
    ),
    Statement(
        sid="RoleOfTheSchedule",
        why="The role that the service has for that, which may make and delete snapshots.",
        actions=(
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies",
            "iam:PassRole",
            "iam:PutRolePolicy",
            "iam:TagRole",
        ),
        role="snapshots",
    ),
)
"""What a schedule of snapshots needs as well.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Data
Lifecycle Manager", and for AWS Identity and Access Management; the AWS provider, its resources
`aws_dlm_lifecycle_policy`, `aws_iam_role` and `aws_iam_role_policy`.
"""

STATE: Final = (
    Statement(
        sid="FindTheState",
        why="Terraform looks whether the bucket has a state already.",
        actions=("s3:ListBucket",),
        resource="bucket",
    ),
    Statement(
        sid="KeepTheState",
        why="The state of each stack is an object, and its lock another one beside it.",
        actions=("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
        resource="object",
    ),
)
"""What a state in S3 needs as well."""


def policy(settings: Settings, *, environment: str) -> dict[str, Any]:
    """Return an environment's policy, as a document of IAM.

    Args:
        settings: The environment's settings: the region, the project, and where the state is.
        environment: The environment's name.
    """
    tags = environment_tags(settings.project, environment)
    region = {"aws:RequestedRegion": settings.aws.region}
    statements = []
    aws = settings.aws
    volumes = [aws.data_volume, *(pool.data_volume for pool in aws.machines.workers.values())]
    has_volume = any(volume is not None for volume in volumes)
    is_scheduled = any(v and v.snapshots and v.snapshots.schedule for v in volumes)
    for one in (
        *DEPLOYMENT,
        *(SWARM if settings.is_swarm else SWARM[:1] if has_volume else ()),
        *(DATA_VOLUME + BACKUPS if has_volume else ()),
        *(SCHEDULE if is_scheduled and settings.sandbox is None else ()),
        *(LOAD_BALANCER if aws.load_balancer is not None else ()),
    ):
        if one.role:
            # IAM is of no region.
            roles = f"arn:*:iam::*:role/{settings.project}-{environment}-*-{one.role}"
            statements.append(_statement(one, [roles]))
            continue
        equal = region | {f"aws:ResourceTag/{k}": v for k, v in tags.items()} if one.own else region
        statements.append(_statement(one, ["*"]) | {"Condition": {"StringEquals": equal}})
    if s3 := settings.state.s3:
        bucket = f"arn:aws:s3:::{s3.bucket}"
        of = {"bucket": [bucket], "object": [f"{bucket}/{s3.prefix}/*"]}
        statements += [_statement(one, of[one.resource]) for one in STATE]
    return {"Version": VERSION, "Statement": statements}


def without_conditions(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy as an emulator takes it that knows no conditions and no resources."""
    return {
        "Version": document["Version"],
        "Statement": [
            {k: v for k, v in one.items() if k != "Condition"} | {"Resource": "*"}
            for one in document["Statement"]
        ],
    }


def _statement(one: Statement, resources: list[str]) -> dict[str, Any]:
    return {
        "Sid": one.sid,
        "Effect": "Allow",
        "Action": list(one.actions),
        "Resource": resources,
    }
