"""The machines of an environment, one by one, as its settings ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs_lib.settings.settings import DataVolumeSettings, ImageSettings, Settings

MANAGERS: Final = "manager"
"""What managers' names begin with; no pool of workers has this name."""

FIRST: Final = f"{MANAGERS}-1"
"""The machine that there always is."""

_ELASTIC_IPS: Final = 5
"""Elastic IPs that a new account may have in a region.

Source: Amazon VPC User Guide, "Amazon VPC quotas".
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of a swarm.

    Attributes:
        name: Its name, such as `manager-1` or `web-2`: that of its pool, and its number there.
        pool: The pool's name, or `manager`.
        is_manager: Whether it is a manager.
        instance_type: The EC2 instance type.
        image: The machine image.
        root_volume_gib: Size of the root volume in GiB.
        data_volume: The disk that outlives the machine; None where there is none.
        labels: The labels of its settings; managers have none.
        place: Which of the subnets it stands in, counted round and round from 0. It is its
            place in its own pool: a pool that grows, or another one, moves no other machine.
    """

    name: str
    pool: str
    is_manager: bool
    instance_type: str
    image: ImageSettings
    root_volume_gib: int
    data_volume: DataVolumeSettings | None
    labels: Mapping[str, str]
    place: int


def nodes_of(settings: Settings) -> tuple[Node, ...]:
    """Return the machines: managers first, then each pool in the order of the settings.

    Args:
        settings: The environment's settings. One machine that is no swarm is `manager-1`, too.
    """
    aws = settings.aws
    managers = [
        Node(
            name=f"{MANAGERS}-{place + 1}",
            pool=MANAGERS,
            is_manager=True,
            instance_type=aws.instance_type,
            image=aws.image,
            root_volume_gib=aws.root_volume.size_gib,
            data_volume=aws.data_volume,
            labels={},
            place=place,
        )
        for place in range(aws.machines.managers)
    ]
    workers = [
        Node(
            name=f"{pool}-{place + 1}",
            pool=pool,
            is_manager=False,
            instance_type=wanted.instance_type or aws.instance_type,
            image=wanted.image.over(aws.image),
            root_volume_gib=wanted.root_volume.size_gib or aws.root_volume.size_gib,
            data_volume=wanted.data_volume or aws.data_volume,
            labels=wanted.labels,
            place=place,
        )
        for pool, wanted in aws.machines.workers.items()
        for place in range(wanted.count)
    ]
    return (*managers, *workers)


def warnings_of(settings: Settings) -> tuple[str, ...]:
    """Return what may be meant, and what somebody should know all the same, one line each.

    Args:
        settings: The environment's settings.
    """
    return tuple(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    volumes = [node.data_volume for node in nodes_of(settings) if node.data_volume is not None]
    if settings.sandbox is not None and any(v.snapshots and v.snapshots.schedule for v in volumes):
        yield (
            "data_volume.snapshots.schedule: has no effect in a sandbox, whose emulated AWS has no "
            "Data Lifecycle Manager; `moor backup create` makes snapshots there"
        )
    if not settings.is_swarm:
        return
    aws = settings.aws
    managers, count = aws.machines.managers, aws.machines.count
    # Which zones the default network has is known to AWS only; nearly all regions have three.
    if aws.network is not None and managers > (subnets := len(aws.network.every_subnet)):
        key = "subnets" if aws.network.subnets else "subnet_id"
        yield (
            f"aws.network.{key}: {managers} managers stand in {subnets} "
            f"{'subnet' if subnets == 1 else 'subnets'}: with one zone the majority of them may "
            f"fail; name {managers} subnets in aws.network.subnets, each of another zone"
        )
    if count > _ELASTIC_IPS and settings.sandbox is None:
        yield (
            f"aws.machines: {count} machines have an Elastic IP each, and a new AWS account may "
            f"have {_ELASTIC_IPS} in a region; ask AWS for a higher quota before the deployment"
        )
