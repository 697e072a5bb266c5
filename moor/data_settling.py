"""Before a deployment: its state knows the data volumes that are asked for, and loses none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.limits import DATA_VOLUME_DEVICE as DEVICE
from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.terraform.stacks import AWS, DOCKER
from moor import recovery, typed
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

_WITH_A_VOLUME: Final = frozenset({"running", "stopping", "stopped"})
"""The states of a machine to which EC2 attaches a volume; one that stops has stopped by then."""


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
    for volume in _fitting(session, wanted, {*_named_machines(state).values()}):
        if volume.id not in in_state:
            say(f"{volume.told}: kept from before; its data is here again")
            if change:
                deployment.terraform.take_over(stack, wanted[volume.node], volume.id)
                # Its Docker may have containers and networks, which no state knows either.
                recovery.begin(session.environment, DOCKER)
    if change:
        heal(deployment)


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


def heal(deployment: Deployment) -> None:
    """Let machines run with their volumes that a replacement has parted from them, and then ended.

    Terraform stops a machine, and detaches its volume, before it makes another one. Where it was
    killed then, Docker waits on the former machine for its volume, and whoever asks it waits, too.

    Args:
        deployment: The deployment, prepared.

    Raises:
        CommandError: AWS refuses.
    """
    session, stack = deployment.session, deployment.stacks[0]
    if not _wanted(stack) and not _had_some(session):
        return
    machines = _named_machines(deployment.terraform.state(stack))
    if machines:
        for line in _healed(session, machines):
            deployment.screen.say(line)


def _healed(session: Session, machines: Mapping[str, str]) -> Iterator[str]:
    """Attach volumes to machines, by their names, and start the machines that were stopped."""
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError  # noqa: PLC0415

    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    environment = f"{session.settings.project}-{session.environment.name}"
    volumes = exist(session)
    try:
        client = ec2(session.settings, session.environment.sandbox_credentials)
        filters = [{"Name": "instance-id", "Values": sorted(machines.values())}]
        pages = client.describe_instances(Filters=filters)["Reservations"]
        states = {i["InstanceId"]: i["State"]["Name"] for page in pages for i in page["Instances"]}
        for name, machine in sorted(machines.items()):
            state = states.get(machine, "")
            if state == "stopping":
                client.get_waiter("instance_stopped").wait(InstanceIds=[machine])
            for volume in volumes if state in _WITH_A_VOLUME else ():
                # One machine alone bears the environment's name.
                if volume.machine or name not in (environment, f"{environment}-{volume.node}"):
                    continue
                client.attach_volume(VolumeId=volume.id, InstanceId=machine, Device=DEVICE)
                yield f"{volume.told}: was detached; attached to {machine} again"
            if state in ("stopping", "stopped"):
                client.start_instances(InstanceIds=[machine])
                client.get_waiter("instance_running").wait(InstanceIds=[machine])
                yield f"machine {machine}: was stopped; started"
    except (BotoCoreError, ClientError, WaiterError) as error:
        raise CommandError(f"aws: a machine must run with its data volume, got: {error}") from None


def _named_machines(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the machines that a state knows: the id of each by its name in AWS."""
    return {
        str((attributes.get("tags") or {}).get("Name")): str(attributes.get("id"))
        for resource in state.get("resources", [])
        if resource.get("mode") == "managed" and resource.get("type") == "aws_instance"
        for instance in resource.get("instances", [])
        if (attributes := instance.get("attributes"))
    }


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
