"""Before a deployment: its state knows the data volumes that are asked for, and loses none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.terraform.stacks import AWS
from moor import typed
from moor.data_volumes import KIND, OUTPUT, exist, how_to_lose, known
from moor.failure import CommandError
from moor.outputs import outputs_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from moor.data_volumes import Volume
    from moor.deployment import Deployment
    from moor.session import Session
    from moor.toolchain.stack import Stack


def settle(deployment: Deployment, *, change: bool) -> None:
    """Have the state know exactly the data volumes that the settings ask for, and lose none.

    Args:
        deployment: The deployment, prepared.
        change: Whether the state may be changed; else it is told what would be.

    Raises:
        CommandError: A volume cannot be what the settings ask for, or would be lost.
        StoppedError: Somebody asked to end.
    """
    session, stack, say = deployment.session, deployment.stacks[0], deployment.screen.say
    wanted = _wanted(stack)
    if not wanted and not _had_some(session):
        return
    state = deployment.terraform.state(stack)
    in_state = known(state)
    for volume, address in _going(session, in_state.values(), wanted):
        if change:
            deployment.terraform.forget(stack, address)
        say(f"{volume.told}: kept, though its machine goes; {how_to_lose(session)}")
    if not wanted:
        return
    for volume in _fitting(session, wanted, _machines(state)):
        if volume.id not in in_state:
            say(f"{volume.told}: kept from before; its data is here again")
            if change:
                deployment.terraform.take_over(stack, wanted[volume.node], volume.id)
    if change:
        for machine in _woken(session, _machines(state)):
            say(f"machine {machine}: was stopped, for a replacement that did not end; started")


def _going(
    session: Session, volumes: Iterable[tuple[Volume, str]], wanted: Mapping[str, str]
) -> Iterator[tuple[Volume, str]]:
    """Yield what a state knows, and nobody asks for any more, with its address.

    Raises:
        CommandError: Its machine stays.
    """
    machines = {node.name for node in nodes_of(session.settings)}
    for volume, address in volumes:
        if volume.node in wanted:
            continue
        if volume.node in machines:
            raise CommandError(_not_by_a_setting(session, volume))
        yield volume, address


def _wanted(stack: Stack) -> dict[str, str]:
    """Return the address of each data volume of a configuration by the machine's name."""
    return {
        str(body["tags"][DATA_VOLUME_TAG]): f"{KIND}.{name}"
        for name, body in stack.document().get("resource", {}).get(KIND, {}).items()
    }


def _had_some(session: Session) -> bool:
    """Return whether the last deployment told of data volumes."""
    file: Path = outputs_file(session.environment)
    try:
        return OUTPUT in json.loads(file.read_text(encoding="utf-8"))[AWS]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fitting(session: Session, nodes: Iterable[str], machines: set[str]) -> Iterator[Volume]:
    """Yield the volumes that exist of some machines, and may be what the settings ask for."""
    found = exist(session)
    for node in nodes:
        volume = _only(session, node, [one for one in found if one.node == node])
        if volume is not None:
            _must_fit(session, volume, machines=machines)
            yield volume


def _machines(state: Mapping[str, Any]) -> set[str]:
    """Return the ids of the machines that a state knows."""
    return {
        str((instance.get("attributes") or {}).get("id"))
        for resource in state.get("resources", [])
        if resource.get("mode") == "managed" and resource.get("type") == "aws_instance"
        for instance in resource.get("instances", [])
    }


def _woken(session: Session, machines: set[str]) -> Iterator[str]:
    """Start machines that a deployment has stopped, to detach a volume, and then has ended."""
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError  # noqa: PLC0415

    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    filters = [
        {"Name": "instance-id", "Values": sorted(machines)},
        {"Name": "instance-state-name", "Values": ["stopping", "stopped"]},
    ]
    if not machines:
        return
    try:
        client = ec2(session.settings, session.environment.sandbox_credentials)
        pages = client.describe_instances(Filters=filters)["Reservations"]
        for machine in [i["InstanceId"] for page in pages for i in page["Instances"]]:
            client.get_waiter("instance_stopped").wait(InstanceIds=[machine])
            client.start_instances(InstanceIds=[machine])
            client.get_waiter("instance_running").wait(InstanceIds=[machine])
            yield machine
    except (BotoCoreError, ClientError, WaiterError) as error:
        raise CommandError(f"aws: a machine that is stopped must start, got: {error}") from None


def _only(session: Session, node: str, volumes: Sequence[Volume]) -> Volume | None:
    if len(volumes) > 1:
        raise CommandError(
            f"{session.environment.settings_file}: aws.data_volume: must be one volume of {node}, "
            f"got {', '.join(volume.id for volume in volumes)}; take the tag {DATA_VOLUME_TAG} "
            "away from those that are not it"
        )
    return volumes[0] if volumes else None


def _must_fit(session: Session, volume: Volume, *, machines: set[str]) -> None:
    if volume.machine and volume.machine not in machines:
        raise CommandError(
            f"{volume.told}: must be attached to a machine of this environment or to none, got "
            f"{volume.machine}; detach it there"
        )
    node = next(n for n in nodes_of(session.settings) if n.name == volume.node)
    size = node.data_volume.size_gib if node.data_volume is not None else 0
    if size < volume.size_gib:
        pool = session.settings.aws.machines.workers.get(node.pool)
        field = "aws.data_volume"
        if pool is not None and pool.data_volume is not None:
            field = f"aws.machines.workers.{node.pool}.data_volume"
        raise CommandError(
            f"{session.environment.settings_file}: {field}.size_gib: must be at least "
            f"{volume.size_gib}, the size of {volume.id}, got {size}; a volume never shrinks"
        )


def _not_by_a_setting(session: Session, volume: Volume) -> str:
    down = typed.command(session.environment, "down")
    return (
        f"{session.environment.settings_file}: aws.data_volume: must not be taken away while the "
        f"machine {volume.node} runs with the {volume.told}; put it back, or run `{down}`, which "
        f"keeps the volume, and {how_to_lose(session)}"
    )
