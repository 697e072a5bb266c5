"""The data volumes of an environment: found by their tags, kept, taken over again, and given up.

A volume outlives its machine, and the deployment. The tags tell whose it is, where no state does.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.limits import DATA_VOLUME_TAG
from constructs_lib.settings.nodes import nodes_of
from constructs_lib.terraform.stacks import AWS
from moor import typed
from moor.failure import CommandError, WrongUseError
from moor.outputs import outputs_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from moor.deployment import Deployment
    from moor.session import Session
    from moor.toolchain.stack import Stack

KIND: Final = "aws_ebs_volume"
"""The resource that a data volume is; there is no other of it."""

OUTPUT: Final = "data_volumes"

_DATA: Final = (KIND, "docker_volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A data volume that exists.

    Attributes:
        id: Its id in EC2.
        node: The name of the machine that it belongs to.
        size_gib: Its size in GiB.
        zone: Its zone.
        machine: The id of the machine that it is attached to; empty where there is none.
        made: When it was made, as AWS tells it; empty where nobody tells.
    """

    id: str
    node: str
    size_gib: int
    zone: str
    machine: str = ""
    made: str = ""

    @property
    def told(self) -> str:
        """What a person is told of it."""
        since = f", made {self.made}" if self.made else ""
        return f"data volume {self.id} of {self.node}, {self.size_gib} GiB in {self.zone}{since}"


def exist(session: Session) -> list[Volume]:
    """Return the data volumes that bear the environment's tags, whether a state knows them or not.

    Args:
        session: The command.

    Raises:
        CommandError: AWS, or the sandbox, cannot be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    from moor.aws_client import ec2  # noqa: PLC0415

    tags = {
        "project": session.settings.project,
        "environment": session.environment.name,
        "managed-by": "moor",
    }
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    filters += [
        {"Name": "tag-key", "Values": [DATA_VOLUME_TAG]},
        {"Name": "status", "Values": ["creating", "available", "in-use"]},
    ]
    try:
        client = ec2(session.settings, session.environment.sandbox_credentials)
        pages = client.get_paginator("describe_volumes").paginate(Filters=filters)
        found = [_volume(raw) for page in pages for raw in page["Volumes"]]
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"aws: the data volumes must be found, got: {error}") from None
    return sorted(found, key=lambda volume: (volume.node, volume.id))


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
    machines = {node.name for node in nodes_of(session.settings)}
    for volume, address in in_state.values():
        if volume.node in wanted:
            continue
        if volume.node in machines:
            raise CommandError(_not_by_a_setting(session, volume))
        if change:
            deployment.terraform.forget(stack, address)
        say(f"{volume.told}: kept, though its machine goes; {_how_to_lose(session)}")
    if not wanted:
        return
    for volume in _fitting(session, wanted, _machines(state)):
        if volume.id not in in_state:
            say(f"{volume.told}: kept from before; its data is here again")
            if change:
                deployment.terraform.take_over(stack, wanted[volume.node], volume.id)


def known(state: Mapping[str, Any]) -> dict[str, tuple[Volume, str]]:
    """Return the data volumes of a state by their ids, each with its address.

    Args:
        state: The first stack's state.
    """
    found = {}
    for resource in state.get("resources", []):
        if resource.get("mode") != "managed" or resource.get("type") != KIND:
            continue
        for instance in resource.get("instances", []):
            attributes = instance.get("attributes") or {}
            volume = Volume(
                id=str(attributes.get("id")),
                node=str((attributes.get("tags") or {}).get(DATA_VOLUME_TAG)),
                size_gib=int(attributes.get("size") or 0),
                zone=str(attributes.get("availability_zone")),
            )
            found[volume.id] = (volume, f"{KIND}.{resource['name']}")
    return found


def all_but(state: Mapping[str, Any]) -> list[str]:
    """Return the addresses of what a destruction destroys of a stack where data is kept.

    Args:
        state: The stack's state.

    Returns:
        All that the state knows but data volumes, and the volumes of Docker's that are on them.
    """
    return [
        f"{resource['type']}.{resource['name']}"
        for resource in state.get("resources", [])
        if resource.get("mode") == "managed" and resource.get("type") not in _DATA
    ]


def tell_kept(session: Session, volumes: Iterable[Volume]) -> list[str]:
    """Return what is said of volumes that a destruction has kept, one line each.

    Args:
        session: The command.
        volumes: The volumes.
    """
    up = typed.command(session.environment, "up")
    return [
        f"{volume.told}: kept; the next `{up}` has it again, and {_how_to_lose(session)}"
        for volume in volumes
    ]


def give_up(session: Session, names: Sequence[str], *, answer: str | None = None) -> list[Volume]:
    """Delete data volumes, after somebody has typed the environment's name.

    Args:
        session: The command.
        names: The names of the machines that they belong to; all where there are none.
        answer: What was typed; it is read from the standard input where unset.

    Returns:
        What was deleted.

    Raises:
        WrongUseError: No volume belongs to such a machine.
        CommandError: There is none, one is attached to a machine, or another name was typed.
    """
    environment, console = session.environment, session.console
    every = _of_a_sandbox_that_is_down(session)
    is_down = every is not None
    if every is None:
        every = exist(session)
    nodes = {volume.node for volume in every}
    wrong = [typed.unknown("data volume", n, sorted(nodes)) for n in names if n not in nodes]
    if every and wrong:
        raise WrongUseError("\n".join(wrong))
    volumes = [volume for volume in every if not names or volume.node in names]
    if not volumes:
        raise CommandError(
            f"environment {environment.name}: must have a data volume to give up, got none"
        )
    down = typed.command(environment, "down")
    busy = [
        f"{volume.told}: must be attached to no machine, got {volume.machine}; `{down}` ends the "
        "machines, and keeps the data volumes"
        for volume in volumes
        if volume.machine
    ]
    if busy:
        raise CommandError("\n".join(busy))
    for volume in volumes:
        console.print(f"[bold red]all data is lost on the {volume.told}[/]", soft_wrap=True)
    if answer is None:
        console.print(f"[bold]Type {environment.name} to lose it:[/] ", end="")
        answer = sys.stdin.readline().strip()
    if answer != environment.name:
        raise CommandError(
            f"data give-up: must be told the environment's name, {environment.name}, got "
            f"{answer!r}; nothing was deleted"
        )
    for volume in volumes:
        if is_down:
            from sandbox.api import volumes as kept  # noqa: PLC0415  # brings the docker SDK

            kept.delete(environment.sandbox, volume.id)
        else:
            _delete(session, volume)
    return volumes


def kept_of_a_sandbox(session: Session) -> list[Volume]:
    """Return the data volumes of a sandbox that does not run.

    Args:
        session: The command.
    """
    from sandbox.api.volumes import kept  # noqa: PLC0415  # brings the docker SDK

    return [
        Volume(
            id=volume_id,
            node=said["tags"][DATA_VOLUME_TAG],
            size_gib=int(said["size"]),
            zone=str(said["zone"]),
        )
        for volume_id, said in kept(session.environment.sandbox).items()
        if DATA_VOLUME_TAG in said["tags"]
    ]


def _of_a_sandbox_that_is_down(session: Session) -> list[Volume] | None:
    if session.settings.sandbox is None:
        return None
    from sandbox.lifecycle import Sandbox  # noqa: PLC0415  # brings the docker SDK

    sandbox = Sandbox(session.environment, session.settings.sandbox, lambda _: None)
    return None if sandbox.status().running else kept_of_a_sandbox(session)


def _delete(session: Session, volume: Volume) -> None:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    from moor.aws_client import ec2  # noqa: PLC0415

    try:
        client = ec2(session.settings, session.environment.sandbox_credentials)
        client.delete_volume(VolumeId=volume.id)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"{volume.told}: must be deleted, got: {error}") from None


def _volume(raw: Mapping[str, Any]) -> Volume:
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    attached = [a["InstanceId"] for a in raw.get("Attachments", []) if a.get("State") != "detached"]
    made = raw.get("CreateTime")
    return Volume(
        id=raw["VolumeId"],
        node=tags[DATA_VOLUME_TAG],
        size_gib=int(raw["Size"]),
        zone=raw["AvailabilityZone"],
        machine=", ".join(attached),
        made=f"{made:%Y-%m-%d %H:%M} UTC" if made else "",
    )


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
        f"keeps the volume, and {_how_to_lose(session)}"
    )


def _how_to_lose(session: Session) -> str:
    lose = typed.program(session.environment, "data give-up")
    return f"`{lose}` loses it"
